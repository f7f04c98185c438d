use std::os::unix::fs::symlink;

use crate::init_units::*;

/// As `pm2 startup systemd` writes it.
const UNIT: &str = "[Unit]\nDescription=PM2 process manager\nAfter=network.target\n\n[Service]\nType=forking\n\
                    User=shop\nEnvironment=PATH=/usr/bin:/bin\nEnvironment=PM2_HOME=/home/shop/.pm2\n\
                    PIDFile=/home/shop/.pm2/pm2.pid\nExecStart=/usr/lib/node_modules/pm2/bin/pm2 resurrect\n\
                    ExecStop=/usr/lib/node_modules/pm2/bin/pm2 kill\n\n[Install]\nWantedBy=multi-user.target\n";

fn write(etc: &Path, file: &str, text: &str) {
    let file = etc.join(file);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

#[test]
fn a_unit_of_systemd_is_read() {
    let etc = tempfile::tempdir().unwrap();
    assert_eq!(units(etc.path()), []);
    assert_eq!(is_enabled(etc.path(), "nginx"), None);
    write(etc.path(), "systemd/system/pm2-shop.service", UNIT);
    write(
        etc.path(),
        "systemd/system/other.service",
        "[Service]\nExecStart=/bin/true\n",
    );
    let unit = |enabled| Unit {
        file: etc.path().join("systemd/system/pm2-shop.service"),
        user: "shop".into(),
        home: Some("/home/shop/.pm2".into()),
        program: Some("/usr/lib/node_modules/pm2/bin/pm2".into()),
        enabled,
        after_network: true,
    };
    assert_eq!(units(etc.path()), [unit(false)]);
    let wants = etc.path().join("systemd/system/multi-user.target.wants");
    fs::create_dir(&wants).unwrap();
    symlink("/nowhere/pm2-shop.service", wants.join("pm2-shop.service")).unwrap();
    assert_eq!(units(etc.path()), [unit(true)]);
    assert_eq!(is_enabled(etc.path(), "nginx"), Some(false));
    symlink("/nowhere/nginx.service", wants.join("nginx.service")).unwrap();
    assert_eq!(is_enabled(etc.path(), "nginx"), Some(true));
}

#[test]
fn what_people_write_themselves_is_read_too() {
    let etc = tempfile::tempdir().unwrap();
    let text = "[Service]\nUser = shop\nEnvironment=\"PATH=/usr/bin\" 'PM2_HOME=/srv/pm2 home/'\n\
                ExecStart=-/opt/node/bin/pm2 resurrect --no-daemon\n";
    write(etc.path(), "systemd/system/site.service", text);
    let found = units(etc.path());
    assert_eq!(found[0].home.as_deref(), Some(Path::new("/srv/pm2 home")));
    assert_eq!(found[0].program.as_deref(), Some(Path::new("/opt/node/bin/pm2")));
    assert_eq!((found[0].user.as_str(), found[0].after_network), ("shop", false));
    write(
        etc.path(),
        "systemd/system/site.service",
        "[Service]\nExecStart=/usr/bin/pm2 resurrect\n",
    );
    assert_eq!(
        (units(etc.path())[0].user.as_str(), &units(etc.path())[0].home),
        ("root", &None)
    );
}

/// The two templates of PM2 for machines without systemd, shortened.
#[test]
fn scripts_are_read() {
    let etc = tempfile::tempdir().unwrap();
    let upstart = "# Required-Start:  $local_fs $remote_fs $network\nNAME=pm2\nPM2=/usr/bin/pm2\nUSER=shop\n\
                   export PM2_HOME=\"/home/shop/.pm2\"\nstart() {\n    super $PM2 resurrect\n}\n";
    let openrc = "PM2=\"/usr/bin/pm2\"\nuser=${PM2_USER:-shop}\nexport PM2_HOME=$(eval echo ~${user})\"/.pm2/\"\n\
                  command_args=\"resurrect\"\ndepend() {\n\tneed net\n}\n";
    write(etc.path(), "init.d/pm2-init", upstart);
    write(etc.path(), "init.d/pm2", openrc);
    write(etc.path(), "init.d/other", "#!/bin/sh\n");
    let found = units(etc.path());
    assert_eq!(found.len(), 2, "{found:?}");
    assert_eq!((found[0].user.as_str(), &found[0].home), ("shop", &None));
    assert_eq!(found[1].home.as_deref(), Some(Path::new("/home/shop/.pm2")));
    for unit in &found {
        assert_eq!(
            unit.program.as_deref(),
            Some(Path::new("/usr/bin/pm2")),
            "{unit:?}"
        );
        assert!(unit.after_network && !unit.enabled, "{unit:?}");
    }
    write(etc.path(), "rc2.d/S01pm2-init", "");
    write(etc.path(), "runlevels/default/pm2", "");
    assert!(units(etc.path()).iter().all(|unit| unit.enabled));
}
