//! `[backup]`: what is kept of the database before its schema changes.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration::Span;

/// The backup before a migration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Backup {
    /// What kind of database it is: decides the command, and what is checked of its backup.
    pub kind: Option<Kind>,
    /// The database's name; the path of the file for SQLite, relative to `<root>/shared`.
    pub database: Option<String>,
    /// The file with the login, mode 0600, absolute or relative to `<root>/shared`: an option
    /// file for MySQL and MariaDB, a service file with a section named like `database` for
    /// PostgreSQL.
    pub options_file: Option<PathBuf>,
    /// A command in place of the ready one, run in the new release with the app's environment;
    /// it writes the backup into the file that `BG_BACKUP_FILE` names.
    pub run: Option<String>,
    /// How many backups stay.
    pub keep: usize,
    /// The absolute folder they are kept in. Default: `<root>/backups`.
    pub folder: Option<PathBuf>,
    /// The deadline.
    pub timeout: Span,
    /// A backup with fewer bytes counts as failed.
    pub min_bytes: u64,
}

impl Default for Backup {
    fn default() -> Self {
        Backup {
            kind: None,
            database: None,
            options_file: None,
            run: None,
            keep: 5,
            folder: None,
            timeout: Span::seconds(1800),
            min_bytes: 1,
        }
    }
}

/// Databases with a ready command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// `mysqldump`.
    Mysql,
    /// `mariadb-dump`, or `mysqldump` where that is its name.
    Mariadb,
    /// `pg_dump`.
    Postgres,
    /// A copy by Python's own `sqlite3`.
    Sqlite,
}
