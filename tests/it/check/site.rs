//! NGINX and the site in front of the app.

use std::fs;

use super::{Finding, assert_found, bad_about};
use crate::sandbox::{Sandbox, set};

fn about(sandbox: &Sandbox, subject: &str) -> Vec<Finding> {
    bad_about(&sandbox.bg(&["check", "--json"]), subject)
}

#[test]
fn what_is_wrong_with_the_site_is_found() {
    let mut sandbox = Sandbox::new();
    assert_found(
        &about(&sandbox, "set-up"),
        "warning",
        "shop is not set up on this host",
        "`bg setup`",
    );
    sandbox.bg(&["setup"]).assert_code(0);
    for subject in [
        "set-up",
        "symlinks",
        "file cache",
        "secrets",
        "switch way",
        "site",
        "nginx runs",
    ] {
        let found = about(&sandbox, subject);
        assert!(found.is_empty(), "{found:#?}");
    }
    sandbox.front.write_conf("disable_symlinks on;");
    assert_found(
        &about(&sandbox, "symlinks"),
        "error",
        "`disable_symlinks on` hides the link",
        "`disable_symlinks off;`",
    );
    sandbox.front.write_conf("");

    sandbox.configure(|config| set(config, "nginx", "switch", "reload"));
    assert_found(
        &about(&sandbox, "switch way"),
        "warning",
        "today `bg setup` would choose reload",
        "`bg setup` changes it",
    );
    sandbox.configure(|config| set(config, "nginx", "switch", "live"));

    // Somebody has taken over the file that setup wrote.
    let file = sandbox.front.sites().join("shop.conf");
    let good = fs::read_to_string(&file).unwrap();
    let root = sandbox.root().join("served");
    fs::create_dir(&root).unwrap();
    fs::write(root.join(".env"), "SECRET=1\n").unwrap();
    let route = sandbox.front.conf().with_file_name("bg/shop/route.conf");
    let server = |inside: &str| {
        let listen = sandbox.address();
        fs::write(
            &file,
            format!("server {{ listen {listen}; server_name shop.test; {inside} }}\n"),
        )
        .unwrap();
        sandbox.front.reload();
    };
    server(&format!("include {}; root {};", route.display(), root.display()));
    assert_found(
        &about(&sandbox, "secrets"),
        "error",
        "answers `/.env` with 200",
        "an explicit sub-folder only",
    );
    server(&format!("open_file_cache max=10; root {};", root.display()));
    let found = format!("include \"{}\";", route.display());
    assert_found(
        &about(&sandbox, "site"),
        "error",
        "does not include the route",
        &found,
    );
    assert_found(&about(&sandbox, "listener"), "error", "404", "route.conf");
    assert_found(
        &about(&sandbox, "file cache"),
        "warning",
        "`open_file_cache max=10` is on",
        "turns it off",
    );
    fs::write(&file, good).unwrap();
    sandbox.front.reload();
    assert!(about(&sandbox, "site").is_empty());

    sandbox.front.stop();
    assert_found(
        &about(&sandbox, "nginx runs"),
        "error",
        "names no running NGINX",
        "systemctl start nginx",
    );
}

#[test]
fn a_configuration_that_nginx_refuses_stops_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.bg(&["setup"]).assert_code(0);
    let conf = sandbox.front.sites().join("other.conf");
    fs::write(&conf, "server { listn 80; }\n").unwrap();
    let check = sandbox.bg(&["check", "--json"]);
    check.assert_code(1);
    let found = bad_about(&check, "nginx configuration");
    assert_found(&found, "error", "unknown directive \"listn\"", "`nginx -t`");
    for subject in ["\"listener\"", "\"pm2\"", "\"clock\"", "\"boot\""] {
        assert!(check.stdout.contains(subject), "no {subject} in {check}");
    }
}
