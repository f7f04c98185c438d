//! `bluegreen`, for scripts and where `bg` is the shell's own.

fn main() -> std::process::ExitCode {
    bluegreen::cli::entry::main()
}
