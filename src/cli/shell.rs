//! `bg` is a builtin of interactive shells. The function printed here hands our commands
//! to the program and everything else to the builtin.

use clap::Command;

use super::args::PromptShell;

/// Set by the function: hints then say `bg`, else `bluegreen`.
const MARKER: &str = "BLUEGREEN_SHELL";

/// The name to type for our program, as things stand.
#[must_use]
pub fn name_to_type() -> &'static str {
    if std::env::var_os(MARKER).is_some() {
        "bg"
    } else {
        "bluegreen"
    }
}

/// The function for `shell`, by which it knows the commands of `public`.
#[must_use]
pub fn init(shell: PromptShell, public: &Command) -> String {
    let verbs: Vec<&str> = public
        .get_subcommands()
        .map(Command::get_name)
        .chain(["help", "--help", "--version"])
        .collect();
    match shell {
        PromptShell::Bash | PromptShell::Zsh => format!(
            "bg() {{\n  case \"${{1-}}\" in\n    {})\n      {MARKER}=1 command bluegreen \"$@\" ;;\n    *)\n      \
             builtin bg \"$@\" ;;\n  esac\n}}\n",
            verbs.join("|")
        ),
        PromptShell::Fish => format!(
            "function bg\n  if contains -- \"$argv[1]\" {}\n    {MARKER}=1 command bluegreen $argv\n  else\n    \
             builtin bg $argv\n  end\nend\n",
            verbs.join(" ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::command;
    use super::*;

    #[test]
    fn every_command_goes_to_the_program() {
        let function = init(PromptShell::Bash, &command::public());
        for verb in ["deploy", "switch", "rollback", "status"] {
            assert!(function.contains(verb), "{verb}");
        }
        assert!(!function.contains("launch"));
    }
}
