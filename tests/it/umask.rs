//! What is made has the modes it should have, whatever the umask of whoever types.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::sandbox::shared::{OWNER, Shared, everything};

/// All below the places where `bg` makes something, with their modes; names that no two runs
/// share are told apart by what they have in common.
fn modes(shared: &Shared) -> BTreeSet<String> {
    let sandbox = &shared.sandbox;
    let registry = sandbox.root().join("etc");
    let places = [
        sandbox.app_root(),
        sandbox.link_folder(),
        registry,
        sandbox.front.conf().parent().unwrap().to_owned(),
        sandbox.pm2_home(),
    ];
    let all = places.iter().flat_map(|place| everything(place));
    let told = all.filter_map(|path| {
        let about = fs::symlink_metadata(&path).ok()?;
        let mode = match about.is_symlink() {
            true => 0,
            false => about.permissions().mode(),
        };
        Some(format!("{mode:o} {}", without_numbers(&path, sandbox.root())))
    });
    told.collect()
}

fn without_numbers(path: &Path, root: &Path) -> String {
    let below = path
        .strip_prefix(root)
        .unwrap_or(path)
        .to_string_lossy()
        .into_owned();
    let parts = below.split('/').map(|part| {
        let hex = |c: char| c.is_ascii_hexdigit() || c == 'T' || c == 'Z' || c == '-';
        match part.chars().any(|c| c.is_ascii_digit()) {
            true => part.chars().map(|c| if hex(c) { '#' } else { c }).collect(),
            false => part.to_owned(),
        }
    });
    let text = parts.collect::<Vec<String>>().join("/");
    text.split('#')
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("#")
}

fn deployed_under(umask: &str) -> Option<BTreeSet<String>> {
    let shared = Shared::new()?;
    for (user, verb) in [
        ("root", "setup"),
        (OWNER, "deploy"),
        ("root", "deploy --again"),
        (OWNER, "deploy --again"),
    ] {
        let line = [
            "sh",
            "-c",
            &format!("umask {umask}; exec \"$0\" {verb}"),
            shared.program(),
        ];
        let output = shared.command_as(user, &line).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{verb} under {umask}: {said}");
    }
    Some(modes(&shared))
}

#[test]
fn modes_are_the_same_under_every_umask() {
    let Some(usual) = deployed_under("022") else {
        return;
    };
    assert!(usual.len() > 100, "{usual:?}");
    let open: Vec<_> = usual
        .iter()
        .filter(|line| {
            line.split(' ').next().is_some_and(|mode| {
                let mode = u32::from_str_radix(mode, 8).unwrap();
                mode & 0o022 != 0 && mode & 0o1000 == 0 && mode & 0o140000 != 0o140000
            })
        })
        .collect();
    assert_eq!(open, Vec::<&String>::new(), "others may write there");
    for umask in ["000", "027", "077"] {
        let now = deployed_under(umask).unwrap();
        let only_now: Vec<_> = now.difference(&usual).collect();
        let only_usual: Vec<_> = usual.difference(&now).collect();
        assert!(
            only_now.is_empty() && only_usual.is_empty(),
            "under {umask}: {only_now:#?} in place of {only_usual:#?}"
        );
    }
}
