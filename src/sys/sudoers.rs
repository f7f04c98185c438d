//! What sudo permits for the sake of an app: four command lines, written out.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use model::color::Route;
use nix::unistd::User;

use crate::command::{Command, CommandError, find_program};

/// The mode that sudo wants.
pub const MODE: u32 = 0o440;

/// A permit that was not put in place; the one before it still is.
#[derive(Debug, thiserror::Error)]
pub enum SudoersError {
    /// Nothing can check it.
    #[error("`visudo` is not installed, and a file that sudo rejects would lock everybody out")]
    NoVisudo,
    /// It was checked and is wrong.
    #[error("`visudo` rejects `{}`", .path.display())]
    Rejected {
        /// The file.
        path: PathBuf,
        /// What it said.
        #[source]
        source: CommandError,
    },
    /// The system refused.
    #[error("`{}` cannot be {what}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// The text that lets `owner` have `swap` move the traffic of `app`.
#[must_use]
pub fn permit(owner: &User, swap: &Path, app: &str) -> String {
    let swap = escaped(&swap.to_string_lossy());
    let lines = Route::ALL.map(|route| format!("    {swap} {app} {}", route.folder()));
    format!(
        "# Written by bg for {app}.\n{} ALL=(root) NOPASSWD: \\\n{}\n",
        name(owner),
        lines.join(", \\\n")
    )
}

/// A name that sudo would read as something else, a group or an alias, is given as a number.
fn name(owner: &User) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let starts = owner
        .name
        .starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if starts && owner.name.chars().all(plain) {
        owner.name.clone()
    } else {
        format!("#{}", owner.uid)
    }
}

fn escaped(path: &str) -> String {
    let special = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_'));
    path.chars()
        .flat_map(|c| special(c).then_some('\\').into_iter().chain([c]))
        .collect()
}

/// Whether a permit with this text is in force at `path`.
#[must_use]
pub fn is_at(path: &Path, text: &str) -> bool {
    let mode = fs::symlink_metadata(path).map(|about| about.permissions().mode() & 0o7777);
    mode.is_ok_and(|mode| mode == MODE) && fs::read_to_string(path).is_ok_and(|found| found == text)
}

/// Puts a permit in force, once `visudo` has taken it.
///
/// # Errors
/// When there is no `visudo`, it rejects the text, or the file cannot be written.
pub async fn put(path: &Path, text: &str) -> Result<(), SudoersError> {
    let io = |what| {
        let path = path.to_owned();
        move |source| SudoersError::Io { what, path, source }
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(io("written"))?;
    // sudo skips names with a dot in them.
    let mut file = tempfile::Builder::new()
        .prefix(".bluegreen-")
        .permissions(Permissions::from_mode(MODE))
        .tempfile_in(folder)
        .map_err(io("written"))?;
    file.write_all(text.as_bytes()).map_err(io("written"))?;
    file.as_file()
        .set_permissions(Permissions::from_mode(MODE))
        .map_err(io("written"))?;
    check(file.path()).await?;
    file.as_file().sync_all().map_err(io("written"))?;
    file.persist(path).map_err(|error| io("written")(error.error))?;
    Ok(())
}

/// Has `visudo` look at a file of its kind.
///
/// # Errors
/// When there is none, or it rejects the file.
pub async fn check(path: &Path) -> Result<(), SudoersError> {
    let visudo = find_program(Path::new("visudo")).ok_or(SudoersError::NoVisudo)?;
    let command = Command::new(visudo).args(["-c", "-f"]).arg(path);
    let rejected = |source| SudoersError::Rejected {
        path: path.to_owned(),
        source,
    };
    command.run().await.map(drop).map_err(rejected)
}

/// Takes a permit away; one that is not there is fine. Returns whether there was one.
///
/// # Errors
/// When the system refuses.
pub fn take_away(path: &Path) -> Result<bool, SudoersError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(SudoersError::Io {
            what: "deleted",
            path: path.to_owned(),
            source,
        }),
    }
}

#[cfg(test)]
mod tests {
    use nix::unistd::Uid;

    use crate::sudoers::*;

    fn user(name: &str) -> User {
        let mut user = User::from_uid(Uid::effective()).unwrap().unwrap();
        user.name = name.to_owned();
        user
    }

    #[test]
    fn the_file_to_copy_says_what_setup_writes() {
        let written = permit(
            &user("deploy"),
            Path::new("/usr/local/libexec/bluegreen-swap"),
            "shop",
        );
        let uncommented = |text: &str| -> String {
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(|line| format!("{line}\n")).collect()
        };
        let to_copy = include_str!("../../ops/sudoers");
        assert_eq!(uncommented(&written), uncommented(to_copy));
        assert_eq!(written.matches("/bluegreen-swap shop ").count(), Route::ALL.len());
    }

    #[test]
    fn no_name_is_a_group_an_alias_or_a_pattern() {
        let uid = Uid::effective();
        for odd in ["%wheel", "ALL", "a,b", "a b", "DOMAIN\\ann", "!root", ""] {
            let text = permit(&user(odd), Path::new("/x"), "shop");
            assert!(text.contains(&format!("\n#{uid} ALL=")), "{text}");
        }
        let text = permit(&user("ann"), Path::new("/tmp/a b,c*/swap"), "shop");
        assert!(text.contains(r"/tmp/a\ b\,c\*/swap shop blue"), "{text}");
        assert!(text.contains("\nann ALL="), "{text}");
    }

    #[tokio::test]
    async fn what_visudo_rejects_is_not_put_in_place() {
        if find_program(Path::new("visudo")).is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bluegreen-shop");
        let good = permit(&user("ann"), Path::new("/tmp/swap"), "shop");
        put(&path, &good).await.unwrap();
        assert!(is_at(&path, &good));
        let to_copy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ops/sudoers");
        check(&to_copy).await.unwrap();
        let error = put(&path, "ann may do everything\n").await.unwrap_err();
        assert!(matches!(error, SudoersError::Rejected { .. }), "{error}");
        assert!(is_at(&path, &good), "the one before it stands");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(take_away(&path).unwrap());
        assert!(!take_away(&path).unwrap());
    }
}
