//! A bg.toml by the owner's hand, and root's setup run with it.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Value;

use super::bait::{Bait, plant, state};
use crate::sandbox::set;
use crate::sandbox::shared::Shared;

type Change = Box<dyn Fn(&mut toml::Table)>;

fn at(section: &'static str, key: &'static str, path: &Path) -> Change {
    let path = path.to_str().unwrap().to_owned();
    Box::new(move |config| set(config, section, key, path.clone()))
}

fn root(path: &Path) -> Change {
    let path = path.to_str().unwrap().to_owned();
    Box::new(move |config| {
        config.insert("root".into(), Value::String(path.clone()));
    })
}

/// A folder of the system's that is never made; taken away should it be.
struct Never(PathBuf);

impl Never {
    fn new() -> Never {
        Never(format!("/etc/bluegreen-attack-{}", std::process::id()).into())
    }
}

impl Drop for Never {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

#[test]
fn no_bg_toml_has_root_run_parse_write_or_give_away_what_is_not_the_apps() {
    let Some(shared) = Shared::new() else { return };
    let (sandbox, bait) = (&shared.sandbox, Bait::new(&shared));
    let desk = sandbox.root().join("desk");
    let trap = desk.join("root-was-here");
    plant(
        &shared,
        &format!(
            "cd '{desk}'; printf '#!/bin/sh\\ntouch {trap}\\n' > nginx; chmod 755 nginx; \
         echo 'load_module {desk}/evil.so;' > nginx.conf; mkdir templates; echo 'x' > templates/route.conf.tera; \
         ln -s '{nginx}' linked; mkfifo fifo; ln -s '{bait}' bait",
            desk = desk.display(),
            trap = trap.display(),
            nginx = crate::sandbox::front::program().display(),
            bait = bait.folder().display(),
        ),
    );
    let never = Never::new();
    let of_the_system = never.0.as_path();
    let empty = sandbox.root().join("somebodys");
    fs::create_dir(&empty).unwrap();
    std::os::unix::fs::chown(&empty, Some(1), Some(1)).unwrap();
    // Folders of root's that were there before: what root runs from them, nobody gets.
    let tool = sandbox.root().join("opt/tool");
    fs::create_dir_all(tool.join("bin")).unwrap();
    fs::write(tool.join("bin/tool"), "#!/bin/sh\n").unwrap();
    let bare = sandbox.root().join("opt/bare");
    fs::create_dir(&bare).unwrap();
    let gifts = || state(&sandbox.root().join("opt"));
    let kept = gifts();
    let table: [(&str, Change); 25] = [
        ("nginx.bin", at("nginx", "bin", &desk.join("nginx"))),
        (
            "nginx.bin through a link",
            at("nginx", "bin", &desk.join("linked")),
        ),
        ("nginx.conf", at("nginx", "conf", &desk.join("nginx.conf"))),
        (
            "nginx.templates",
            at("nginx", "templates", &desk.join("templates")),
        ),
        (
            "nginx.site",
            at("nginx", "site", &bait.folder().join("site.conf")),
        ),
        (
            "nginx.link_folder of root's",
            at("nginx", "link_folder", bait.folder()),
        ),
        (
            "nginx.link_folder through a link",
            at("nginx", "link_folder", &desk.join("bait")),
        ),
        (
            "nginx.link_folder below a link",
            at("nginx", "link_folder", &desk.join("bait/new")),
        ),
        (
            "nginx.link_folder of the system",
            at("nginx", "link_folder", of_the_system),
        ),
        ("root of root's", root(bait.folder())),
        ("root below a link", root(&desk.join("bait/new"))),
        ("root of the system", root(of_the_system)),
        ("root of somebody's", root(&empty)),
        ("root that holds a tool of root's", root(&tool)),
        ("root that is empty and root's", root(&bare)),
        ("root in root's home", root(Path::new("/root/bluegreen-attack"))),
        (
            "root where packages keep theirs",
            root(Path::new("/var/lib/bluegreen-attack")),
        ),
        (
            "nginx.link_folder that holds a tool",
            at("nginx", "link_folder", &tool),
        ),
        (
            "nginx.link_folder that is empty",
            at("nginx", "link_folder", &bare),
        ),
        (
            "nginx.templates that are made later",
            at("nginx", "templates", &desk.join("later")),
        ),
        (
            "nginx.templates that root could make later",
            at("nginx", "templates", Path::new("/etc/bluegreen-templates-later")),
        ),
        (
            "nginx.bin as another process sees it",
            at("nginx", "bin", Path::new("/proc/self/root/usr/sbin/nginx")),
        ),
        (
            "nginx.conf as another process sees it",
            at("nginx", "conf", Path::new("/proc/self/root/etc/nginx/nginx.conf")),
        ),
        (
            "nginx.site that never ends",
            at("nginx", "site", &desk.join("fifo")),
        ),
        (
            "nginx.bin that is another program",
            at("nginx", "bin", Path::new("/bin/sh")),
        ),
    ];
    let usual = fs::read_to_string(sandbox.config()).unwrap();
    let sites = || state(&sandbox.front.sites());
    let before = sites();
    for (name, change) in &table {
        sandbox.configure(change);
        let outcome = shared.bg_as("root", &["setup"]);
        assert_ne!(outcome.code, Some(0), "{name}: {outcome}");
        assert!(!trap.exists(), "{name}");
        if name.starts_with("nginx.bin that") {
            outcome.assert_says("is not called `nginx`");
        }
        if name.ends_with("later") {
            // Before anything that takes time: they could be there when they are read.
            outcome.assert_says("which is not a folder");
        }
        assert!(!of_the_system.exists(), "{name}");
        assert_eq!(sites(), before, "{name}");
        bait.assert_untouched(name);
        assert_eq!(gifts(), kept, "{name}");
        let uid = std::os::unix::fs::MetadataExt::uid(&fs::metadata(&empty).unwrap());
        assert_eq!(uid, 1, "{name}");
        fs::write(sandbox.config(), &usual).unwrap();
    }
    assert_eq!(table.len(), 25);
    for missing in ["/root/bluegreen-attack", "/var/lib/bluegreen-attack"] {
        assert!(!Path::new(missing).exists(), "{missing}");
    }
    sandbox.configure(root(&tool));
    let outcome = shared.bg_as("root", &["setup"]);
    outcome.assert_says(&format!("`chown nobody {}`", tool.display()));
    fs::write(sandbox.config(), &usual).unwrap();
    shared.bg_as("root", &["setup"]).assert_code(0);
    bait.assert_untouched("a good one");
}

/// What is applied lies where the owner can write: with no other at hand, it does not say
/// whose the app is.
#[test]
fn the_applied_one_does_not_make_the_app_roots() {
    let Some(shared) = Shared::deployed() else { return };
    let sandbox = &shared.sandbox;
    let applied = sandbox.app_root().join("bg.toml");
    let text = fs::read_to_string(&applied).unwrap();
    assert!(text.contains("owner = \"nobody\""), "{text}");
    fs::write(&applied, text.replace("owner = \"nobody\"", "owner = \"root\"")).unwrap();
    shared.give(&applied);
    let line = [shared.program(), "setup", "--app", "shop"];
    let output = shared
        .command_as("root", &line)
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    let entry = fs::read_to_string(sandbox.registry().join("shop.toml")).unwrap();
    assert!(entry.contains("owner = \"nobody\""), "{entry}");
    // Nor can they write the registry themselves.
    assert!(!shared.owner_can_write(&sandbox.registry()));
    assert!(!shared.owner_can_write(&sandbox.registry().join("shop.toml")));
}
