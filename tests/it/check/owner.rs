//! The owner of an app on a host that root has set up: what root must look at is said, and the
//! rest goes on.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use toml::{Table, Value};

use super::authority::{Authority, Wish};
use super::{bad, bad_about};
use crate::sandbox::ports::Port;
use crate::sandbox::set;
use crate::sandbox::shared::{OWNER, Shared};

#[test]
fn a_key_that_only_root_may_read_stops_nothing() {
    let port = Port::free();
    let Some(shared) = Shared::new() else { return };
    let sandbox = &shared.sandbox;
    let folder = sandbox.root().join("tls");
    fs::create_dir(&folder).unwrap();
    let authority = Authority::new(&sandbox.root().join("authority"), "Shop", 900);
    let (leaf, key) = authority.issue(&Wish::default());
    fs::write(folder.join("cert.pem"), &leaf).unwrap();
    fs::write(folder.join("chain.pem"), authority.intermediate()).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
    fs::set_permissions(folder.join("key.pem"), fs::Permissions::from_mode(0o600)).unwrap();
    let path = |file: &str| Value::String(folder.join(file).to_str().unwrap().to_owned());
    sandbox.configure(|config| {
        let listen = [
            sandbox.address().to_string(),
            format!("127.0.0.1:{} ssl", port.number()),
        ];
        set(
            config,
            "nginx",
            "listen",
            Value::Array(listen.map(Value::String).into()),
        );
        let tls = [
            ("certificate".to_owned(), path("cert.pem")),
            ("key".to_owned(), path("key.pem")),
        ];
        set(config, "nginx", "tls", Value::Table(Table::from_iter(tls)));
    });
    shared.bg_as("root", &["setup"]).assert_code(0);
    shared.bg_as(OWNER, &["deploy"]).assert_code(0);
    let check = |user: &str, args: &[&str]| {
        let roots = format!("SSL_CERT_FILE={}", authority.root().display());
        let line = [&["env", &roots, shared.program()], args].concat();
        super::secure::run(shared.command_as(user, &line), args)
    };
    let owners = check(OWNER, &["check", "--json"]);
    owners.assert_code(1);
    assert!(owners.stdout.contains("`nginx -T` needs root here"), "{owners}");
    let about = |outcome| {
        bad_about(outcome, "tls")
            .into_iter()
            .map(|one| one.fix)
            .collect::<Vec<_>>()
    };
    // The chain is incomplete for both of them, and nothing else is wrong.
    let roots = check("root", &["check", "--json"]);
    roots.assert_code(1);
    assert!(!roots.stdout.contains("`nginx -T` needs root here"), "{roots}");
    assert_eq!(about(&owners), about(&roots), "{owners}");
    assert_eq!(about(&owners).len(), 1, "{owners}");
    let errors = bad(&owners).iter().filter(|one| one.level == "error").count();
    assert_eq!(errors, 1, "{owners}");

    fs::write(folder.join("cert.pem"), leaf + &authority.intermediate()).unwrap();
    sandbox.front.reload();
    check(OWNER, &["check"]).assert_code(0);
    check("root", &["check"]).assert_code(0);
}
