//! Writing a new host key into `known_hosts`, also while others do the same.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{Flock, FlockArg};
use russh::keys::PublicKey;
use russh::keys::ssh_key::known_hosts::HostPatterns;

use crate::error::SshError;
use crate::known_hosts::{KnownHosts, Names, Verdict, hashed};

/// The line for `key`, without its end. With `hash` nobody can read the name in it.
#[must_use]
pub fn line(names: &Names, key: &PublicKey, hash: bool) -> Option<String> {
    let mut bare = key.clone();
    bare.set_comment("");
    let name = match hash {
        true => hidden(&names.main)?,
        false => names.main.clone(),
    };
    Some(format!("{name} {}", bare.to_openssh().ok()?.trim_end()))
}

/// Appends the key of a host that was unknown to `file`, in one write; folder and file are
/// made for their owner alone. Where somebody else was faster there is nothing to do.
///
/// # Errors
/// [`SshError::File`] when the file cannot be written.
pub fn remember(file: &Path, names: &Names, key: &PublicKey, hash: bool) -> Result<(), SshError> {
    append(file, names, key, hash).map_err(|source| SshError::File {
        path: file.to_owned(),
        done: "written",
        source,
    })
}

fn append(file: &Path, names: &Names, key: &PublicKey, hash: bool) -> io::Result<()> {
    let line = line(names, key, hash).ok_or_else(|| io::Error::other("the key has no text form"))?;
    if let Some(folder) = file.parent() {
        make_private_folder(folder)?;
    }
    let opened = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(file)?;
    let mut held = Flock::lock(opened, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
    let mut bytes = Vec::new();
    held.read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut known = KnownHosts::default();
    known.add(file, &text);
    if known.judge(names, key.key_data()) == Verdict::Known {
        return Ok(());
    }
    // The last line of a file that was edited by hand may have no end.
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    write_whole(&mut held, &format!("{gap}{line}\n"))
}

fn write_whole(file: &mut File, text: &str) -> io::Result<()> {
    let before = file.seek(SeekFrom::End(0))?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    if written.is_err() {
        // Half a line would spoil the next one.
        file.set_len(before).ok();
    }
    written
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    match fs::metadata(folder) {
        Ok(_) => Ok(()),
        Err(_) => DirBuilder::new().recursive(true).mode(0o700).create(folder),
    }
}

fn hidden(name: &str) -> Option<String> {
    let mut salt = vec![0; 20];
    File::open("/dev/urandom").ok()?.read_exact(&mut salt).ok()?;
    let hash = hashed(&salt, name)?;
    Some(HostPatterns::HashedName { salt, hash }.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use crate::known_hosts::remember::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9dG4kjRhQTtWTVzd2t27+t0DEHBPW7iOD23TUiYLio";

    fn key() -> PublicKey {
        format!("{KEY} a comment").parse().unwrap()
    }

    fn names(host: &str) -> Names {
        Names::new(host, 22, None)
    }

    #[test]
    fn the_first_line_makes_file_and_folder_for_their_owner_alone() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join(".ssh/known_hosts");
        remember(&file, &names("web1"), &key(), false).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("web1 {KEY}\n"));
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&file), 0o600);
        assert_eq!(mode(file.parent().unwrap()), 0o700);
    }

    #[test]
    fn a_last_line_without_an_end_stays_a_line() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("known_hosts");
        fs::write(&file, format!("db {KEY}")).unwrap();
        remember(&file, &names("web1"), &key(), false).unwrap();
        remember(&file, &Names::new("web2", 2222, None), &key(), false).unwrap();
        let wanted = format!("db {KEY}\nweb1 {KEY}\n[web2]:2222 {KEY}\n");
        assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
    }

    #[test]
    fn a_hidden_name_is_found_again_and_cannot_be_read() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("known_hosts");
        remember(&file, &names("web1"), &key(), true).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("|1|") && !text.contains("web1"), "{text}");
        let known = KnownHosts::read(&[file]).unwrap();
        assert_eq!(known.judge(&names("web1"), key().key_data()), Verdict::Known);
        assert_eq!(known.judge(&names("web2"), key().key_data()), Verdict::Unknown);
    }

    #[test]
    fn many_at_once_write_one_line_each_and_none_twice() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("known_hosts");
        std::thread::scope(|scope| {
            for number in 0..32 {
                let file = &file;
                scope.spawn(move || {
                    let host = format!("web{}", number / 2);
                    remember(file, &names(&host), &key(), false).unwrap();
                });
            }
        });
        let text = fs::read_to_string(&file).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 16, "{text}");
        assert_eq!(text.lines().count(), 16, "{text}");
    }
}
