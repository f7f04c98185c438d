//! `bg setup` and `bg remove`: shown first, done once, undone whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bluegreen::model::color::Color;
use toml::Value;

use super::apps::pm2_names;
use super::{rendered, site_file};
use crate::sandbox::{HOST, Sandbox, front, http, set};

#[test]
fn a_plan_changes_nothing_and_a_second_time_there_is_nothing_to_change() {
    let sandbox = Sandbox::with(|_| {});
    let before = everything(&sandbox);
    let plan = sandbox.bg(&["setup", "--plan"]);
    plan.assert_code(0);
    assert_eq!(everything(&sandbox), before, "{plan}");
    for shown in ["would write", "+server {", "nothing was changed"] {
        assert!(plan.stdout.contains(shown), "no {shown:?} in {plan}");
    }
    sandbox.bg(&["setup"]).assert_code(0);
    let after = everything(&sandbox);
    assert_ne!(after, before);
    let workers = sandbox.front.workers();
    for args in [&["setup"] as &[&str], &["setup", "--plan"]] {
        let again = sandbox.bg(args);
        again.assert_code(0);
        assert_eq!(again.stdout, "nothing to change\n", "{again}");
        assert_eq!(everything(&sandbox), after);
        assert_eq!(sandbox.front.workers(), workers, "it was reloaded: {again}");
    }
    sandbox.configure(|config| set(config, "nginx", "max_body_size", "7m"));
    let plan = sandbox.bg(&["setup", "--plan"]);
    assert!(plan.stdout.contains("+client_max_body_size 7m;"), "{plan}");
    assert!(plan.stdout.contains("would reload NGINX"), "{plan}");
    assert_eq!(everything(&sandbox), after);
    sandbox.bg(&["setup"]).assert_code(0);
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
}

/// A reload may cost every site of the host a request: it is said before, and done only where
/// NGINX would do something else after it.
#[test]
fn nginx_is_reloaded_only_for_what_it_reads_and_the_cost_is_said_before() {
    let sandbox = Sandbox::with(|config| set(config, "nginx", "templates", "templates"));
    let folder = sandbox.app_root().join("templates");
    fs::create_dir_all(&folder).unwrap();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/nginx");
    let route = fs::read_to_string(built_in.join("route.conf.tera")).unwrap();
    let workers = sandbox.front.workers();

    fs::write(
        folder.join("route.conf.tera"),
        route.clone() + "# a remark of mine\n",
    )
    .unwrap();
    let plan = sandbox.bg(&["setup", "--plan"]);
    assert!(!plan.stdout.contains("reload"), "{plan}");
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(0);
    setup.assert_says("NGINX needs no reload");
    assert!(
        fs::read_to_string(rendered(&sandbox, "route.conf"))
            .unwrap()
            .contains("of mine")
    );
    assert_eq!(sandbox.front.workers(), workers, "{setup}");

    fs::write(
        folder.join("route.conf.tera"),
        route + "chunked_transfer_encoding on;\n",
    )
    .unwrap();
    let plan = sandbox.bg(&["setup", "--plan"]);
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(0);
    assert_ne!(sandbox.front.workers(), workers, "{setup}");
    let told = "a request on each open connection to every site of this host";
    let version = std::process::Command::new(front::program())
        .arg("-v")
        .output()
        .unwrap();
    let version = String::from_utf8_lossy(&version.stderr).into_owned();
    assert!(plan.stdout.contains("would reload NGINX"), "{plan}");
    // `keepalive_min_timeout`, which cures it, stands nowhere here.
    assert!(plan.stdout.contains(told), "{version}: {plan}");
    let (before, after) = setup
        .stderr
        .split_once("NGINX reads the new configuration")
        .unwrap();
    assert!(
        before.contains(told) && !after.contains(told),
        "{version}: {setup}"
    );
}

/// Every file below what setup may write to, with what is in it or where it points. Only
/// NGINX's own files and the desk are left out.
fn everything(sandbox: &Sandbox) -> BTreeMap<PathBuf, String> {
    let mut all = BTreeMap::new();
    for folder in [
        "nginx/conf.d",
        "nginx/bg",
        "srv",
        "link",
        "etc",
        "bin",
        "home",
        "pm2",
    ] {
        look(&sandbox.root().join(folder), &mut all);
    }
    all
}

fn look(path: &Path, all: &mut BTreeMap<PathBuf, String>) {
    let Ok(about) = fs::symlink_metadata(path) else {
        return;
    };
    let held = if about.is_symlink() {
        format!("-> {}", fs::read_link(path).unwrap().display())
    } else if about.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(&entry.unwrap().path(), all);
        }
        "a folder".to_owned()
    } else if !about.is_file() {
        "a socket".to_owned()
    } else if path.ends_with("state/lock") || path.ends_with("bg/reload.lock") {
        // Says who held it last.
        "a lock".to_owned()
    } else {
        String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()
    };
    all.insert(path.to_owned(), held);
}

#[test]
fn templates_of_ones_own_are_used_and_broken_ones_put_back() {
    let sandbox = Sandbox::with(|config| set(config, "nginx", "templates", "templates"));
    let folder = sandbox.app_root().join("templates");
    fs::create_dir_all(&folder).unwrap();
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/nginx");
    let site = fs::read_to_string(built_in.join("server.conf.tera")).unwrap();
    let mine = site.replace(
        "client_max_body_size",
        "add_header X-Mine yes;\nclient_max_body_size",
    );
    fs::write(folder.join("server.conf.tera"), &mine).unwrap();
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.get("/static/shop.css").header("x-mine"), Some("yes"));
    assert_eq!(sandbox.get("/").header("x-mine"), Some("yes"));
    let good = everything(&sandbox);

    // NGINX does not take it.
    fs::write(
        folder.join("server.conf.tera"),
        mine.replace("add_header", "no_such_thing"),
    )
    .unwrap();
    let setup = sandbox.bg(&["setup"]);
    sandbox.assert_five(&setup, 1, "its files were put back", Color::Blue);
    setup.assert_says("unknown directive \"no_such_thing\"");
    setup.assert_says(&rendered(&sandbox, "server.conf").display().to_string());
    assert_eq!(nginx_files(&everything(&sandbox)), nginx_files(&good), "{setup}");
    sandbox.front.reload();
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    // It makes no sense as a template.
    let before = everything(&sandbox);
    fs::write(
        folder.join("server.conf.tera"),
        mine.replace("{% endfor %}", "{{ no_such_value }}"),
    )
    .unwrap();
    let setup = sandbox.bg(&["setup"]);
    sandbox.assert_five(&setup, 3, "server.conf.tera", Color::Blue);
    assert_eq!(nginx_files(&everything(&sandbox)), nginx_files(&before));

    // NGINX takes it and the route is not reached any more: setup says so.
    fs::write(
        folder.join("server.conf.tera"),
        mine.replace("route.conf\"", "proxy.conf\""),
    )
    .unwrap();
    sandbox.bg(&["setup"]).assert_code(1);
    fs::write(folder.join("server.conf.tera"), &mine).unwrap();
    sandbox.bg(&["setup"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert!(nginx_takes_its_configuration(&sandbox));
}

fn nginx_files(all: &BTreeMap<PathBuf, String>) -> Vec<(&PathBuf, &String)> {
    all.iter()
        .filter(|(path, _)| path.components().any(|name| name.as_os_str() == "nginx"))
        .filter(|(path, _)| !path.components().any(|name| name.as_os_str() == "backup"))
        .collect()
}

fn nginx_takes_its_configuration(sandbox: &Sandbox) -> bool {
    let mut test = sandbox.command(front::program().to_str().unwrap());
    test.arg("-t").arg("-c").arg(sandbox.front.conf());
    test.output().unwrap().status.success()
}

#[test]
fn remove_shows_undoes_keeps_and_purges() {
    let sandbox = Sandbox::deployed();
    sandbox.bg(&["deploy"]).assert_code(0);
    let before = everything(&sandbox);
    let plan = sandbox.bg(&["remove"]);
    plan.assert_code(0);
    for step in [
        "stop flask-blue",
        "stop flask-green",
        "delete",
        "keep",
        "nothing was changed",
    ] {
        assert!(plan.stdout.contains(step), "no {step:?} in {plan}");
    }
    assert_eq!(everything(&sandbox), before);
    assert_eq!(sandbox.live_color(), Some(Color::Green));

    // A site that is its owner's and still includes our files stands against it.
    let site = site_file(&sandbox);
    let text = fs::read_to_string(&site).unwrap();
    fs::write(&site, format!("# mine\n{text}")).unwrap();
    let refused = sandbox.bg(&["remove", "--yes"]);
    sandbox.assert_five(&refused, 3, "still includes this app's files", Color::Green);
    fs::write(&site, text).unwrap();

    let removed = sandbox.bg(&["remove", "--yes"]);
    removed.assert_code(0);
    assert!(nginx_takes_its_configuration(&sandbox));
    assert!(
        http::get(sandbox.address(), "shop.test", "/").is_err(),
        "not reloaded: {removed}"
    );
    assert_eq!(pm2_names(&sandbox), Vec::<String>::new());
    let dump = fs::read_to_string(sandbox.pm2_home().join("dump.pm2")).unwrap_or_default();
    assert!(!dump.contains("flask-"), "a reboot would bring it back: {dump}");
    assert!(!sandbox.registry().join("shop.toml").exists());
    assert!(!sandbox.link_folder().exists());
    assert!(!site.exists() && !rendered(&sandbox, "route.conf").exists());
    assert_eq!(fs::read_dir(sandbox.front.sites()).unwrap().count(), 0);
    assert!(sandbox.app_root().join("releases").is_dir());
    assert!(sandbox.lock_is_free());
    for color in Color::BOTH {
        assert!(
            http::get(sandbox.slot_address(color), "shop.test", "/").is_err(),
            "{color} runs"
        );
    }

    // What was kept is as good as new.
    sandbox.bg(&["setup"]).assert_code(0);
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    assert!(sandbox.live_color().is_some(), "{deploy}");
    // What `remove` keeps can be had away later; whatever else lies there is left.
    sandbox.bg(&["remove", "--yes"]).assert_code(0);
    let root = sandbox.app_root();
    let kept = fs::read(root.join("bg.toml")).unwrap();
    fs::remove_file(root.join("bg.toml")).unwrap();
    let refused = sandbox.bg(&["remove", "--yes", "--purge"]);
    refused
        .assert_code(3)
        .assert_says("is not what `bluegreen remove` kept of it");
    fs::write(root.join("bg.toml"), kept).unwrap();
    let plan = sandbox.bg(&["remove", "--purge"]);
    plan.assert_code(0);
    assert!(
        plan.stdout.contains(&format!("delete {}", root.display())) && root.join("releases").is_dir(),
        "{plan}"
    );
    sandbox.bg(&["remove", "--yes", "--purge"]).assert_code(0);
    assert!(!root.exists());
    sandbox.bg(&["setup"]).assert_code(0);
    let purged = sandbox.bg(&["remove", "--yes", "--purge"]);
    purged.assert_code(0);
    assert!(!root.exists());
    assert!(nginx_takes_its_configuration(&sandbox));
    assert_eq!(pm2_names(&sandbox), Vec::<String>::new());
    assert_eq!(sandbox.bg(&["remove", "--yes"]).code, Some(3));
}

#[test]
fn a_name_that_has_a_site_is_not_taken_from_it() {
    let sandbox = Sandbox::with(|_| {});
    let other = sandbox.front.sites().join("their-site.conf");
    let site = |name: &str| {
        let listen = sandbox.address();
        let text = format!("# theirs\nserver {{ listen {listen}; server_name {name}; return 204; }}\n");
        fs::write(&other, text).unwrap();
    };
    site(HOST);
    let before = everything(&sandbox);
    let refused = sandbox.bg(&["setup"]);
    refused.assert_code(3);
    refused.assert_says(&format!("`{HOST}` on port {}", sandbox.address().port()));
    refused.assert_says(&format!("{}:2", other.display()));
    refused.assert_says("adopt` takes over a site that runs");
    assert_eq!(everything(&sandbox), before);
    site("their.test");
    sandbox.bg(&["setup"]).assert_code(0);
}

#[test]
fn a_root_that_nginx_serves_or_git_tracks_is_refused() {
    let sandbox = Sandbox::with(|_| {});
    let other = sandbox.front.sites().join("other.conf");
    let served = sandbox.root().join("srv");
    let listen = sandbox.address();
    fs::write(
        &other,
        format!("server {{ listen {listen}; root {}; }}", served.display()),
    )
    .unwrap();
    let before = everything(&sandbox);
    let refused = sandbox.bg(&["setup"]);
    refused.assert_code(3);
    refused.assert_says(&format!("lies inside {}, which NGINX serves", served.display()));
    refused.assert_says(&format!("{}:1", other.display()));
    // A folder whose name only begins alike is none of it.
    fs::write(
        &other,
        format!(
            "server {{ listen {listen}; root {}/srv/sho; }}",
            sandbox.root().display()
        ),
    )
    .unwrap();
    sandbox.bg(&["setup", "--plan"]).assert_code(0);
    fs::remove_file(&other).unwrap();

    fs::create_dir(served.join(".git")).unwrap();
    let refused = sandbox.bg(&["setup"]);
    refused.assert_code(3);
    refused.assert_says(&format!("lies inside the git work tree {}", served.display()));
    fs::remove_dir(served.join(".git")).unwrap();
    let shop = Value::String(sandbox.repo().join("deployed").to_str().unwrap().to_owned());
    sandbox.configure(|config| {
        config.insert("root".into(), shop);
    });
    let refused = sandbox.bg(&["setup"]);
    refused.assert_code(3);
    refused.assert_says(&format!(
        "lies inside the git work tree {}",
        sandbox.repo().display()
    ));
    let mut after = everything(&sandbox);
    after.remove(&other);
    let mut before = before;
    before.remove(&other);
    assert_eq!(after, before);
    assert!(!sandbox.repo().join("deployed").exists());
}

/// A host as an earlier version has left it becomes one of today's, and nobody notices.
#[test]
fn a_host_of_an_earlier_version_is_taken_over_by_setup() {
    let sandbox = Sandbox::deployed();
    sandbox.bg(&["deploy"]).assert_code(0);
    let link = sandbox.link_folder();
    for color in Color::BOTH {
        let (now, before) = (
            link.join(format!("answers/{color}.json")),
            link.join(format!("{color}/answer.json")),
        );
        fs::rename(now, before).unwrap();
    }
    fs::remove_dir(link.join("answers")).unwrap();
    let route = rendered(&sandbox, "route.conf");
    let text = fs::read_to_string(&route).unwrap();
    let earlier = text.replace("answers/$bg_shop_color.json", "$bg_shop_color/answer.json");
    assert_ne!(text, earlier);
    fs::write(&route, earlier).unwrap();
    fs::remove_dir_all(rendered(&sandbox, "written")).unwrap();
    let entry = sandbox.registry().join("shop.toml");
    let lines = fs::read_to_string(&entry).unwrap();
    let lines: Vec<&str> = lines
        .lines()
        .filter(|line| !line.starts_with("nginx_include") && !line.starts_with("reload_timeout"))
        .map(|line| {
            if line.starts_with("format") {
                "format = 1"
            } else {
                line
            }
        })
        .collect();
    fs::write(&entry, lines.join("\n")).unwrap();
    sandbox.front.reload();
    sandbox.bg(&["status"]).assert_code(0);
    let load = sandbox.load();
    sandbox.bg(&["setup"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Green));
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let count = load.stop();
    assert_eq!(count.by_status.keys().collect::<Vec<_>>(), [&200], "{count:?}");
    for color in Color::BOTH {
        assert!(link.join(format!("answers/{color}.json")).is_file());
        assert!(!link.join(format!("{color}/answer.json")).exists());
    }
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
}
