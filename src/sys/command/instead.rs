//! What is started in a program's place where the tests have asked for a fault.

use crate::command::Command;
use crate::fault::{self, Started};

impl Command {
    /// What is started: this, but for a fault that the tests have asked for.
    pub(super) fn or_a_fault(&self) -> std::io::Result<Command> {
        let args = self.args.iter().map(|arg| arg.to_string_lossy());
        let (program, args): (&str, &[&str]) = match fault::start(&self.program, args)? {
            Started::AsAsked => return Ok(self.clone()),
            Started::Hanging => ("sleep", &["infinity"]),
            Started::Lying => ("true", &[]),
            Started::Garbled => ("printf", &["{]\\377 \\0 \\n[}"]),
        };
        Ok(Command {
            program: program.into(),
            args: args.iter().map(Into::into).collect(),
            ..self.clone()
        })
    }
}
