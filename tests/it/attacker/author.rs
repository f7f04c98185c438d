//! A bg.toml, a folder or a work tree that somebody else can change, and root's commands run
//! over it: what it names runs as that user or not at all.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::bait::{Bait, plant, state};
use crate::sandbox::outcome::Outcome;
use crate::sandbox::set;
use crate::sandbox::shared::{OTHER, OWNER, Shared};
use crate::sandbox::wait::wait_until;

/// A program of the owner's that writes down who runs it.
struct Trap {
    program: PathBuf,
    ran: PathBuf,
}

impl Trap {
    fn new(shared: &Shared) -> Trap {
        let home = shared.sandbox.root().join("home");
        let (program, ran) = (home.join("trap"), home.join("ran-as"));
        plant(
            shared,
            &format!(
                "touch '{1}'; chmod 666 '{1}'; printf '#!/bin/sh\\nid -u >> {1}\\nexit 1\\n' > '{0}'; chmod 755 '{0}'",
                program.display(),
                ran.display()
            ),
        );
        Trap { program, ran }
    }

    fn path(&self) -> &str {
        self.program.to_str().unwrap()
    }

    /// Who ran it since the last time.
    fn ran_as(&self) -> Vec<u32> {
        let text = fs::read_to_string(&self.ran).unwrap();
        fs::write(&self.ran, "").unwrap();
        text.lines().map(|uid| uid.parse().unwrap()).collect()
    }
}

fn as_root(shared: &Shared, folder: &Path, args: &[&str]) -> Outcome {
    let line: Vec<&str> = std::iter::once(shared.program())
        .chain(args.iter().copied())
        .collect();
    let output = shared
        .command_as("root", &line)
        .current_dir(folder)
        .output()
        .unwrap();
    Outcome::new(args, &output, std::time::Duration::ZERO)
}

fn owned_by(config: &mut Table, owner: Option<&str>) {
    config.remove("owner");
    if let Some(owner) = owner {
        config.insert("owner".into(), Value::String(owner.into()));
    }
}

#[test]
fn what_a_users_bg_toml_names_never_runs_as_anybody_else() {
    let Some(shared) = Shared::new() else { return };
    let (sandbox, trap, bait) = (&shared.sandbox, Trap::new(&shared), Bait::new(&shared));
    let usual = fs::read_to_string(sandbox.config()).unwrap();
    let owner = shared.owner.uid.as_raw();
    let keys = [
        ("python", "version"),
        ("pm2", "bin"),
        ("nginx", "bin"),
        ("gate", "smoke"),
    ];
    let commands = [
        &["check"][..],
        &["check", "--strict", "--json"],
        &["setup", "--plan"],
        &["adopt"],
        &["adopt", "--yes"],
        &["deploy"],
        &["deploy", "--plan"],
        &["repair"],
        &["status"],
    ];
    let mut asked = 0;
    for named in [Some("root"), Some(OTHER), Some(OWNER), None] {
        for (section, key) in keys {
            sandbox.configure(|config| {
                owned_by(config, named);
                set(config, section, key, trap.path());
            });
            for args in commands {
                let outcome = shared.bg_as("root", args);
                let ran = trap.ran_as();
                assert!(
                    ran.iter().all(|uid| *uid == owner),
                    "{named:?} {key} {ran:?} {outcome}"
                );
                let tells = ["check", "setup", "adopt"].contains(&args[0]) && !args.contains(&"--json");
                if tells && named.is_some_and(|name| name != OWNER) {
                    outcome.assert_code(3).assert_says("the file belongs to `nobody`");
                }
                asked += 1;
            }
        }
        fs::write(sandbox.config(), &usual).unwrap();
    }
    assert_eq!(asked, 4 * 4 * 9);
    bait.assert_untouched("all that");
    assert!(!sandbox.registry().join("shop.toml").exists());
}

/// Without a word about the owner the app is whose the file is, whoever typed `sudo`.
#[test]
fn root_sets_up_for_whoever_wrote_the_file() {
    let Some(shared) = Shared::new() else { return };
    let sandbox = &shared.sandbox;
    sandbox.configure(|config| owned_by(config, None));
    let line = [shared.program(), "setup"];
    let mut command = shared.command_as("root", &line);
    let output = command.env("SUDO_USER", OTHER).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("owned by `nobody`"), "{said}");
    let entry = fs::read_to_string(sandbox.registry().join("shop.toml")).unwrap();
    assert!(entry.contains("owner = \"nobody\""), "{entry}");
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    shared.bg_as("root", &["deploy"]).assert_code(0);
}

/// Hooks on the client's side run where the bg.toml is, before any host hears of it.
#[test]
fn a_hook_on_the_client_runs_as_whoever_wrote_it() {
    let Some(shared) = Shared::new() else { return };
    let (sandbox, trap) = (&shared.sandbox, Trap::new(&shared));
    sandbox.configure(|config| {
        config.insert("hosts".into(), vec![Value::from("root@127.0.0.1")].into());
        let hook: Table = [("run", trap.path()), ("on", "client")]
            .map(|(key, value)| (key.to_owned(), Value::from(value)))
            .into_iter()
            .collect();
        let hooks: Table = [("before_build".to_owned(), Value::Table(hook))]
            .into_iter()
            .collect();
        config.insert("hooks".into(), Value::Table(hooks));
    });
    let owner = shared.owner.uid.as_raw();
    for args in [&["deploy"][..], &["deploy", "--json"]] {
        let outcome = shared.bg_as("root", args);
        outcome.assert_code(1);
        assert_eq!(trap.ran_as(), [owner], "{outcome}");
    }
    // The file's folder is another one than that of the shell.
    let outcome = as_root(
        &shared,
        Path::new("/"),
        &["deploy", "--config", sandbox.config().to_str().unwrap()],
    );
    outcome.assert_code(1);
    assert_eq!(trap.ran_as(), [owner], "{outcome}");
}

#[test]
fn init_writes_as_whoever_owns_the_folder_and_through_no_link() {
    let Some(shared) = Shared::new() else { return };
    let (sandbox, bait) = (&shared.sandbox, Bait::new(&shared));
    let folder = sandbox.root().join("home/new");
    plant(
        &shared,
        &format!(
            "mkdir '{0}'; cd '{0}'; touch app.py; \
             for name in .bg.toml.tmp bg.toml.tmp .bg.toml.new; do ln -s '{1}/victim' $name; done",
            folder.display(),
            bait.folder().display()
        ),
    );
    as_root(&shared, &folder, &["init"]).assert_code(0);
    bait.assert_untouched("init");
    let written = fs::symlink_metadata(folder.join("bg.toml")).unwrap();
    assert!(written.is_file());
    assert_eq!(written.uid(), shared.owner.uid.as_raw());
    // In place of the file itself.
    plant(
        &shared,
        &format!(
            "cd '{0}'; rm bg.toml; ln -s '{1}/victim' bg.toml",
            folder.display(),
            bait.folder().display()
        ),
    );
    for args in [&["init"][..], &["init", "--force"]] {
        as_root(&shared, &folder, args);
        bait.assert_untouched("init over a link");
    }
}

/// A folder in which everybody can put another file is nobody's word.
#[test]
fn what_several_can_change_is_not_acted_on() {
    let Some(shared) = Shared::deployed() else { return };
    let (sandbox, trap) = (&shared.sandbox, Trap::new(&shared));
    let usual = fs::read_to_string(sandbox.config()).unwrap();
    let open = sandbox.root().join("open");
    fs::create_dir(&open).unwrap();
    let text = usual.replace("[python]", &format!("[pm2]\nbin = \"{}\"\n[python]", trap.path()));
    let file = open.join("bg.toml");
    type Make<'a> = (&'a str, Box<dyn Fn()>);
    let mode = |path: PathBuf, mode: u32| {
        move || fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap()
    };
    let table: [Make<'_>; 5] = [
        ("a folder for all", Box::new(mode(open.clone(), 0o777))),
        ("a sticky folder", Box::new(mode(open.clone(), 0o1777))),
        ("a file for all", Box::new(mode(file.clone(), 0o666))),
        ("a folder for a group", {
            let open = open.clone();
            Box::new(move || {
                chown(&open, Some(0), Some(100)).unwrap();
                fs::set_permissions(&open, fs::Permissions::from_mode(0o775)).unwrap();
            })
        }),
        ("a file of one in a folder of another", {
            let (open, file) = (open.clone(), file.clone());
            Box::new(move || {
                chown(&open, Some(33), Some(33)).unwrap();
                chown(&file, Some(65534), Some(65534)).unwrap();
            })
        }),
    ];
    for (name, make) in &table {
        fs::write(&file, &text).unwrap();
        make();
        for args in [
            &["check"][..],
            &["deploy"],
            &["setup"],
            &["status"],
            &["remove", "--yes"],
        ] {
            // With the sticky bit nobody can replace a file of root's.
            if *name == "a sticky folder" {
                continue;
            }
            let outcome = as_root(&shared, &open, args);
            outcome.assert_code(3).assert_says("root does not act on");
            assert_eq!(trap.ran_as(), [] as [u32; 0], "{name}: {outcome}");
        }
        if name.contains(" folder ") && !name.contains("a file") || *name == "a sticky folder" {
            as_root(&shared, &open, &["init", "--force"]).assert_code(3);
        }
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).unwrap();
        chown(&open, Some(0), Some(0)).unwrap();
        fs::remove_file(&file).unwrap();
    }
    assert_eq!(table.len(), 5);
    assert!(sandbox.live_color().is_some());
}

/// Whoever writes a bg.toml can name any app in it.
#[test]
fn nobodys_bg_toml_has_a_say_about_an_app_of_another() {
    let Some(shared) = Shared::deployed() else { return };
    let (sandbox, trap) = (&shared.sandbox, Trap::new(&shared));
    let theirs = sandbox.root().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let text = fs::read_to_string(sandbox.config()).unwrap();
    fs::write(theirs.join("bg.toml"), text).unwrap();
    for path in [&theirs, &theirs.join("bg.toml")] {
        chown(path, Some(33), Some(33)).unwrap();
    }
    let before = (sandbox.link(), state(&sandbox.registry()));
    for args in [
        &["check"][..],
        &["setup"],
        &["deploy"],
        &["switch"],
        &["rollback"],
        &["status"],
        &["maintenance", "on"],
        &["remove", "--yes"],
    ] {
        let outcome = as_root(&shared, &theirs, args);
        outcome
            .assert_code(3)
            .assert_says("belongs to `nobody`")
            .assert_says("--app shop");
    }
    assert_eq!((sandbox.link(), state(&sandbox.registry())), before);
    assert_eq!(trap.ran_as(), [] as [u32; 0]);
    as_root(&shared, &theirs, &["status", "--app", "shop"]).assert_code(0);
}

#[test]
fn what_is_packed_is_read_with_the_rights_of_whoever_can_change_it() {
    let Some(shared) = Shared::deployed() else { return };
    let (sandbox, bait) = (&shared.sandbox, Bait::new(&shared));
    let folder = sandbox.root().join("home/build");
    plant(
        &shared,
        &format!(
            "cp -r '{}' '{1}'; rm -rf '{1}/.git'",
            sandbox.repo().display(),
            folder.display()
        ),
    );
    let from = ["deploy", "--from", folder.to_str().unwrap()];
    // Who packs as root has it, and so has whoever swaps a folder for a link meanwhile.
    let secret = folder.join("of-root");
    fs::write(&secret, "root:only-root-may-read-this").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let outcome = shared.bg_as("root", &from);
    outcome.assert_code(1).assert_says("cannot read");
    bait.assert_untold(&shared, &outcome);
    fs::remove_file(&secret).unwrap();

    // The way through sudo, whose environment is root's: nothing is looked for in root's home.
    let home = sandbox.root().join("roots-home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let line = [&[shared.program()][..], &from].concat();
    let output = shared
        .command_as("root", &line)
        .env("HOME", &home)
        .env("TMPDIR", &home)
        .env("SUDO_USER", OWNER)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );

    // Root's own folder with a part that is somebody else's.
    let mixed = sandbox.root().join("mixed");
    fs::create_dir(&mixed).unwrap();
    fs::write(mixed.join("app.py"), "").unwrap();
    fs::create_dir(mixed.join("part")).unwrap();
    fs::write(mixed.join("part/file"), "").unwrap();
    chown(mixed.join("part"), Some(33), Some(33)).unwrap();
    let outcome = shared.bg_as("root", &["deploy", "--from", mixed.to_str().unwrap()]);
    outcome
        .assert_code(1)
        .assert_says("root packs only files that no other user can change");
    symlink(bait.folder(), mixed.join("part/link")).unwrap();
    chown(mixed.join("part"), Some(0), Some(0)).unwrap();
    let outcome = shared.bg_as("root", &["deploy", "--from", mixed.to_str().unwrap()]);
    assert_ne!(outcome.code, Some(0), "{outcome}");
    bait.assert_untold(&shared, &outcome);
}

/// A bg.toml that comes while root works in a folder of everybody's is not the one that was
/// looked for at the start.
#[test]
fn a_bg_toml_that_comes_later_is_nobodys() {
    let Some(shared) = Shared::new() else { return };
    let (sandbox, trap) = (&shared.sandbox, Trap::new(&shared));
    let root = sandbox.root();
    let (programs, open) = (root.join("programs"), root.join("open"));
    for folder in [&programs, &open, &root.join("build")] {
        fs::create_dir(folder).unwrap();
    }
    fs::write(root.join("build/app.py"), "").unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    // Packing takes as long as the attacker needs.
    let real = shared
        .command_as("root", &["sh", "-c", "command -v git"])
        .output()
        .unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let git = programs.join("git");
    let wait = format!(
        "#!/bin/sh\ntouch '{0}/packing'\nwhile [ ! -e '{0}/go' ]; do sleep 0.02; done\nexec '{1}' \"$@\"\n",
        root.display(),
        real.trim()
    );
    fs::write(&git, wait).unwrap();
    fs::set_permissions(&git, fs::Permissions::from_mode(0o755)).unwrap();
    let usual = fs::read_to_string(sandbox.config()).unwrap();
    let hook = format!(
        "{{ run = \"/bin/sh -c 'id -u >> {}'\", on = \"client\" }}",
        trap.ran.display()
    );
    let text = format!("{usual}\n[hooks]\nbefore_build = {hook}\non_failure = {hook}\n");
    let build = root.join("build").display().to_string();
    let line = [
        shared.program(),
        "deploy",
        "--hosts",
        "127.0.0.1:1",
        "--from",
        &build,
    ];
    let path = std::env::join_paths(
        std::iter::once(programs.clone()).chain(std::env::split_paths(&crate::sandbox::path_with_tools())),
    );
    let mut child = shared
        .command_as("root", &line)
        .env("PATH", path.unwrap())
        .current_dir(&open)
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    wait_until(std::time::Duration::from_secs(30), "it packs", || {
        root.join("packing").exists()
    });
    let planted = open.join("bg.toml");
    fs::write(&planted, text).unwrap();
    chown(&planted, Some(shared.owner.uid.as_raw()), None).unwrap();
    fs::write(root.join("go"), "").unwrap();
    assert_ne!(child.wait().unwrap().code(), Some(0));
    assert_eq!(trap.ran_as(), [] as [u32; 0]);
}

/// Root by sudo is whoever called it, with a configuration sent or without one.
#[test]
fn an_engine_that_sudo_started_acts_for_nobody_else() {
    let Some(shared) = Shared::deployed() else { return };
    let line = [shared.program(), "engine"];
    let other = nix::unistd::User::from_name(OTHER).unwrap().unwrap().uid;
    let asked = |caller: nix::unistd::Uid, request: &str| {
        let mut child = shared
            .command_as("root", &line)
            .env("SUDO_UID", caller.to_string())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, format!("{request}\n").as_bytes()).unwrap();
        drop(input);
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    for request in [
        r#"{"app":"shop","verb":"releases"}"#,
        r#"{"verb":"releases"}"#,
        r#"{"app":"shop","verb":{"remove":{"yes":true,"purge":true}}}"#,
        r#"{"app":"shop","verb":{"setup":{"plan":true}}}"#,
    ] {
        let said = asked(other, request);
        assert!(
            said.contains("belongs to `nobody`, and `www-data` may not act on it through sudo"),
            "{request}: {said}"
        );
    }
    let said = asked(shared.owner.uid, r#"{"app":"shop","verb":"releases"}"#);
    assert!(
        !said.contains("may not act on it through sudo") && said.contains("releases"),
        "{said}"
    );
    assert!(shared.sandbox.live_color().is_some());
}
