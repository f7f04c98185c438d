//! Two apps on one host: nothing is shared, nothing of the other moves.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use bluegreen::model::color::Color;
use bluegreen::model::config::read::parse;
use toml::{Table, Value};

use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, Sandbox, http, outcome::Outcome, repo, set};

/// A second app on the host of a sandbox.
struct Cafe<'a> {
    sandbox: &'a Sandbox,
    ports: [Port; 3],
}

impl Cafe<'_> {
    fn new(sandbox: &Sandbox) -> Cafe<'_> {
        let cafe = Cafe {
            sandbox,
            ports: [Port::free(), Port::free(), Port::free()],
        };
        let shared = cafe.root().join("shared");
        fs::create_dir_all(&shared).unwrap();
        fs::write(shared.join("app.env"), "SHOP_SECRET=another\n").unwrap();
        fs::set_permissions(shared.join("app.env"), fs::Permissions::from_mode(0o600)).unwrap();
        cafe.configure(|_| {});
        cafe
    }

    fn root(&self) -> PathBuf {
        self.sandbox.root().join("srv/cafe")
    }

    fn file(&self) -> PathBuf {
        self.sandbox.root().join("desk/cafe.toml")
    }

    fn configure(&self, change: impl FnOnce(&mut Table)) {
        let text = fs::read_to_string(self.sandbox.config()).unwrap();
        let mut config: Table = text.parse().unwrap();
        let path = |path: PathBuf| path.to_str().unwrap().to_owned();
        let [blue, green, listen] = self.ports.each_ref().map(|port| i64::from(port.number()));
        config.insert("app".into(), "cafe".into());
        config.insert("root".into(), path(self.root()).into());
        set(&mut config, "process", "name", "cafe");
        set(&mut config, "process", "ports", ports(blue, green));
        set(
            &mut config,
            "nginx",
            "listen",
            vec![format!("127.0.0.1:{listen}")],
        );
        let link = self.sandbox.root().join("link/cafe");
        set(&mut config, "nginx", "link_folder", path(link));
        change(&mut config);
        fs::write(self.file(), toml::to_string(&config).unwrap()).unwrap();
    }

    fn bg(&self, args: &[&str]) -> Outcome {
        let file = self.file();
        let mut all = vec!["--config", file.to_str().unwrap()];
        all.extend(args);
        self.sandbox.bg(&all)
    }

    fn color(&self) -> Option<Color> {
        let address = ([127, 0, 0, 1], self.ports[2].number()).into();
        let answer = http::get(address, HOST, "/whoami").ok()?;
        answer.header("x-app-color")?.parse().ok()
    }
}

fn ports(blue: i64, green: i64) -> Value {
    let both = [("blue", blue), ("green", green)];
    Value::Table(
        both.map(|(color, port)| (color.into(), Value::Integer(port)))
            .into_iter()
            .collect(),
    )
}

#[test]
fn two_apps_move_each_alone_and_one_is_removed_without_the_other() {
    let shop = Sandbox::deployed();
    let cafe = Cafe::new(&shop);
    cafe.bg(&["setup"]).assert_code(0);
    cafe.bg(&["deploy"]).assert_code(0);
    let colors = || (shop.live_color().unwrap(), cafe.color().unwrap());
    use Color::{Blue, Green};
    assert_eq!(colors(), (Blue, Blue));
    shop.bg(&["deploy"]).assert_code(0);
    assert_eq!(colors(), (Green, Blue));
    cafe.bg(&["deploy"]).assert_code(0);
    assert_eq!(colors(), (Green, Green));
    shop.bg(&["rollback"]).assert_code(0);
    assert_eq!(colors(), (Blue, Green));
    cafe.bg(&["maintenance", "on"]).assert_code(0);
    assert_eq!((shop.live_color(), cafe.color()), (Some(Blue), None));
    cafe.bg(&["maintenance", "off"]).assert_code(0);
    for outcome in [shop.bg(&["check"]), cafe.bg(&["check"])] {
        outcome.assert_code(0);
    }
    // By name, from anywhere; and without one the program asks which.
    let status = shop
        .bg_command(&["status", "--app", "cafe", "--json"])
        .current_dir("/")
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&status.stdout).contains("cafe"));
    let which = shop.bg_command(&["status"]).current_dir("/").output().unwrap();
    assert_eq!(which.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&which.stderr).contains("cafe, shop"));

    let names = pm2_names(&shop);
    assert_eq!(names, ["cafe-blue", "cafe-green", "flask-blue", "flask-green"]);
    // No name of NGINX is shared.
    for (file, own, other) in [
        ("bg/shop", "bg_shop_", "bg_cafe_"),
        ("bg/cafe", "bg_cafe_", "bg_shop_"),
    ] {
        for entry in fs::read_dir(shop.front.conf().parent().unwrap().join(file)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains(own) && !text.contains(other), "{}", path.display());
            }
        }
    }

    cafe.bg(&["remove", "--yes", "--purge"]).assert_code(0);
    assert_eq!((shop.live_color(), cafe.color()), (Some(Blue), None));
    assert_eq!(pm2_names(&shop), ["flask-blue", "flask-green"]);
    assert!(!cafe.root().exists());
    shop.bg(&["switch"]).assert_code(0);
    assert_eq!(shop.live_color(), Some(Green));
    shop.bg(&["check"]).assert_code(0);
}

pub fn pm2_names(sandbox: &Sandbox) -> Vec<String> {
    let list = sandbox.pm2(&["jlist"]);
    let json = &list.stdout[list.stdout.find('[').unwrap()..];
    let list: Vec<serde_json::Value> =
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{error}: {json}"));
    let mut names: Vec<String> = list
        .iter()
        .map(|one| one["name"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_belongs_to_another_app_is_refused_by_name() {
    let shop = Sandbox::deployed();
    let cafe = Cafe::new(&shop);
    let [blue, green, _] = cafe.ports.each_ref().map(|port| i64::from(port.number()));
    let taken = |color| i64::from(shop.slot_address(color).port());
    let path = |path: PathBuf| Value::String(path.to_str().unwrap().to_owned());
    type Change<'a> = Box<dyn Fn(&mut Table) + 'a>;
    let clashes: Vec<(&str, Change<'_>)> = vec![
        (
            "process name `flask`",
            Box::new(|config| set(config, "process", "name", "flask")),
        ),
        (
            "port",
            Box::new(|config| set(config, "process", "ports", ports(taken(Color::Blue), green))),
        ),
        (
            "port",
            Box::new(|config| set(config, "process", "ports", ports(blue, taken(Color::Blue)))),
        ),
        (
            "port",
            Box::new(|config| set(config, "process", "ports", ports(taken(Color::Green), green))),
        ),
        (
            "root",
            Box::new(|config| {
                config.insert("root".into(), path(shop.app_root()));
            }),
        ),
        (
            "root",
            Box::new(|config| {
                config.insert("root".into(), path(shop.app_root().join("shared/cafe")));
            }),
        ),
        (
            "link folder",
            Box::new(|config| set(config, "nginx", "link_folder", path(shop.link_folder()))),
        ),
    ];
    let count = clashes.len();
    for (what, change) in clashes {
        cafe.configure(change);
        for args in [&["setup"] as &[&str], &["setup", "--plan"]] {
            let refused = cafe.bg(args);
            shop.assert_five(&refused, 3, "belongs to app `shop` on this host", Color::Blue);
            refused.assert_says(what);
        }
    }
    assert_eq!(count, 7);
    // The same name for something else.
    cafe.configure(|config| {
        config.insert("app".into(), "shop".into());
    });
    let refused = cafe.bg(&["setup"]);
    shop.assert_five(
        &refused,
        3,
        "app `shop` is set up on this host with root",
        Color::Blue,
    );
    assert!(!shop.registry().join("cafe.toml").exists());
    assert!(!shop.root().join("link/cafe").exists());
    // A PM2 of its own may use the name again.
    cafe.configure(|config| {
        set(config, "process", "name", "flask");
        set(config, "pm2", "home", path(shop.root().join("pm2-cafe")));
    });
    cafe.bg(&["setup"]).assert_code(0);
}

#[test]
fn a_second_app_hears_whose_port_it_asks_for_and_init_takes_none_that_is_taken() {
    let shop = Sandbox::deployed();
    let cafe = Cafe::new(&shop);
    let [_, green, _] = cafe.ports.each_ref().map(|port| i64::from(port.number()));
    let taken = i64::from(shop.slot_address(Color::Blue).port());
    for name in ["cafe", "flask"] {
        cafe.configure(|config| {
            set(config, "process", "name", name);
            set(config, "process", "ports", ports(taken, green));
        });
        let outcome = cafe.bg(&["check"]);
        outcome.assert_code(1);
        let said = format!("port {taken} of blue belongs to app `shop` on this host");
        assert!(outcome.stdout.contains(&said), "{outcome}");
        assert!(
            outcome
                .stdout
                .contains("give blue another port in `process.ports`"),
            "{outcome}"
        );
        for wrong in ["kill", "end that process", "held by its own process"] {
            assert!(!outcome.stdout.contains(wrong), "{wrong} in {outcome}");
        }
    }
    let own = shop.bg(&["check"]);
    own.assert_code(0);
    assert!(own.stdout.contains("blue's"), "{own}");
    assert!(
        own.stdout
            .contains(&format!("{taken} is held by its own process")),
        "{own}"
    );

    // Somebody listens on the first pair that is looked at, and the second is another app's.
    let _held = TcpListener::bind(("127.0.0.1", 5001));
    let applied = shop.app_root().join("bg.toml");
    let text = fs::read_to_string(&applied).unwrap();
    fs::write(&applied, text.replace(&format!("blue = {taken}"), "blue = 5003")).unwrap();
    let folder = shop.root().join("shop");
    repo::create(&folder);
    let init = || {
        let output = shop
            .bg_command(&["init", "--force"])
            .current_dir(&folder)
            .output();
        assert_eq!(output.unwrap().status.code(), Some(0));
        let text = fs::read_to_string(folder.join("bg.toml")).unwrap();
        parse(&text.replace("\"?\"", "\"cafe.test\""), &folder).unwrap()
    };
    let second = init();
    assert_eq!(
        (second.app.as_str(), second.process.name.as_str()),
        ("shop-2", "shop-2")
    );
    let both = [second.process.ports.blue, second.process.ports.green];
    assert!(!both.contains(&5001) && !both.contains(&5003), "{both:?}");
    // The app that is set up already is itself, and may be written down again.
    repo::git(
        &folder,
        &["remote", "add", "origin", shop.repo().to_str().unwrap()],
    );
    let same = init();
    assert_eq!((same.app.as_str(), same.process.name.as_str()), ("shop", "flask"));
}
