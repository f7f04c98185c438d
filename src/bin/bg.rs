//! `bg`, the same program by its short name.

fn main() -> std::process::ExitCode {
    bluegreen::cli::entry::main()
}
