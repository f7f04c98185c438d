//! Two examples behind the help of each command.

use anstyle::Style;

const TITLE: Style = Style::new().bold().underline();

/// A line that can be typed behind the program's name, and what it does.
type Example = (&'static str, &'static str);

/// By command.
const EXAMPLES: [(&str, [Example; 2]); 22] = [
    (
        "init",
        [
            ("init", "describe the app in this folder"),
            ("init --force", "the same, over the bg.toml that is here"),
        ],
    ),
    (
        "check",
        [
            ("check", "name what stands in the way, with what mends it"),
            ("check --strict", "fail on warnings too, as in CI"),
        ],
    ),
    (
        "adopt",
        [
            ("adopt --plan", "show what would change, and change nothing"),
            ("adopt shop --yes", "take over the process that PM2 calls shop"),
        ],
    ),
    (
        "setup",
        [
            ("setup --plan", "show what would be made and written"),
            ("setup", "prepare this host"),
        ],
    ),
    (
        "deploy",
        [
            ("deploy", "release the configured branch"),
            (
                "deploy v1.4 --no-switch",
                "build and gate a tag, and leave traffic where it is",
            ),
        ],
    ),
    (
        "switch",
        [
            ("switch", "move traffic to the other color"),
            ("switch blue --wait=5m", "to blue, once another run has ended"),
        ],
    ),
    (
        "rollback",
        [
            ("rollback", "go back to what served before"),
            (
                "rollback --to 2f61c0a",
                "go back to any kept release, by its commit",
            ),
        ],
    ),
    (
        "status",
        [
            ("status", "what is live, and what a rollback would do"),
            ("status --watch", "look again every second"),
        ],
    ),
    (
        "list",
        [
            ("list", "all apps of this host"),
            ("list --hosts web1,web2", "all apps of two servers"),
        ],
    ),
    (
        "history",
        [
            ("history -n 5", "the last five runs"),
            (
                "history 20261123T181500123Z-4127 --timings",
                "where the time of one run went",
            ),
        ],
    ),
    (
        "logs",
        [
            ("logs -f", "follow the live color"),
            ("logs green -n 200", "the last 200 lines of green"),
        ],
    ),
    (
        "releases",
        [
            ("releases", "what is kept, newest first"),
            ("releases --json", "the same for a program"),
        ],
    ),
    (
        "data",
        [
            ("data", "what the live release wrote into its own folder"),
            ("data move", "move it into `shared` while the app goes on"),
        ],
    ),
    (
        "exec",
        [
            ("exec green -- flask routes", "run a command in green's release"),
            ("exec blue -- python", "a prompt with its environment"),
        ],
    ),
    (
        "worker",
        [
            ("worker run queue", "run a worker by hand"),
            ("worker run queue --app shop", "that of an app that is named"),
        ],
    ),
    (
        "maintenance",
        [
            ("maintenance on", "show visitors the maintenance page"),
            ("maintenance off", "show them the app again"),
        ],
    ),
    (
        "repair",
        [("repair --plan", "show what is amiss"), ("repair", "mend it")],
    ),
    (
        "remove",
        [
            ("remove", "show what would be taken away"),
            (
                "remove --yes --purge",
                "take the app off, with its releases and data",
            ),
        ],
    ),
    (
        "schema",
        [
            ("schema > bg.schema.json", "for an editor that checks bg.toml"),
            ("schema --json", "as part of a result object"),
        ],
    ),
    (
        "completions",
        [
            ("completions bash", "what bash completes, for its start-up file"),
            ("completions zsh", "the same for zsh"),
        ],
    ),
    (
        "man",
        [
            ("man > bluegreen.1", "keep the page"),
            ("man --color never", "print it"),
        ],
    ),
    (
        "shell-init",
        [
            (
                "shell-init bash",
                "for ~/.bashrc: `bg deploy` works at the prompt",
            ),
            ("shell-init fish", "for fish's config.fish"),
        ],
    ),
];

/// Those of a command.
pub(super) fn lines(verb: &str) -> &'static [Example] {
    let mut all = EXAMPLES.iter();
    all.find_map(|(name, lines)| (*name == verb).then_some(lines.as_slice()))
        .unwrap_or_default()
}

/// As they stand behind its help, for the program that people call `name`.
pub(super) fn of(verb: &str, name: &str) -> String {
    let lines = lines(verb);
    let width = lines.iter().map(|(line, _)| line.len()).max().unwrap_or_default();
    let lines: Vec<String> = lines
        .iter()
        .map(|(line, what)| format!("\n  {name} {line:width$}  {what}"))
        .collect();
    format!("{TITLE}Examples:{TITLE:#}{}", lines.concat())
}
