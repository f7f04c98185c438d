//! What others write into the site's file, as certbot does, is not thrown away without a word.

use std::fs;

use bluegreen::model::color::Color;

use super::{include, rendered, site_file};
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, Sandbox, repo, set};

#[test]
fn what_certbot_wrote_stays_until_it_is_to_be_replaced() {
    let sandbox = Sandbox::deployed();
    let made = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    let (chain, key) = (
        sandbox.root().join("fullchain.pem"),
        sandbox.root().join("privkey.pem"),
    );
    fs::write(&chain, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let port = Port::free();
    let secure = format!("127.0.0.1:{} ssl", port.number());

    // As `certbot --nginx` does, at the end of the server.
    let inside = include(&sandbox, "server.conf");
    let certbots = format!(
        "{inside}\n\n    listen {secure}; # managed by Certbot\n    ssl_certificate {}; # managed by Certbot\n    \
         ssl_certificate_key {}; # managed by Certbot\n",
        chain.display(),
        key.display()
    );
    repo::replace(&site_file(&sandbox), &inside, &certbots);
    sandbox.front.reload();
    let written = fs::read_to_string(site_file(&sandbox)).unwrap();
    let site = || fs::read_to_string(site_file(&sandbox)).unwrap();

    // What stands elsewhere changes beside it.
    sandbox.configure(|config| set(config, "nginx", "max_body_size", "7m"));
    let setup = sandbox.bg(&["setup"]);
    setup.assert_code(0);
    setup.assert_says("keeps the changes that others made");
    assert_eq!(site(), written, "{setup}");
    let server = fs::read_to_string(rendered(&sandbox, "server.conf")).unwrap();
    assert!(server.contains("client_max_body_size 7m;"), "{server}");
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");

    // What would be lost is shown, and stays without the word.
    sandbox.configure(|config| {
        set(config, "nginx", "redirect_to_https", true);
        set(config, "nginx", "http2", true);
        set(
            config,
            "nginx",
            "listen",
            vec![sandbox.address().to_string(), secure.clone()],
        );
        let mut tls = toml::Table::new();
        for (name, file) in [("certificate", &chain), ("key", &key)] {
            tls.insert(name.into(), file.to_str().unwrap().into());
        }
        set(config, "nginx", "tls", tls);
    });
    let plan = sandbox.bg(&["setup", "--plan"]);
    assert!(plan.stdout.contains("replace what others changed in"), "{plan}");
    let setup = sandbox.bg(&["setup"]);
    sandbox.assert_five(&setup, 1, "was edited since bg wrote it", Color::Blue);
    setup.assert_says("-    ssl_certificate_key");
    setup.assert_says("`fullchain.pem`");
    setup.assert_says("setup --overwrite` replaces it");
    assert_eq!(site(), written, "{setup}");

    let setup = sandbox.bg(&["setup", "--overwrite"]);
    setup.assert_code(0);
    assert!(
        !site().contains("Certbot") && site().contains("http2"),
        "{}",
        site()
    );
    let kept = walk(&rendered(&sandbox, "backup"));
    assert!(kept.contains(&written), "no copy in {kept:?}");
    let away = sandbox.get("/a?b=c");
    assert_eq!(away.status, 301);
    let home = format!("https://{HOST}:{}/a?b=c", port.number());
    assert_eq!(away.header("location"), Some(home.as_str()));
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says("proven on 1 path and 1 listener");
    assert_eq!(sandbox.link(), "green");
    assert_eq!(sandbox.bg(&["setup"]).stdout, "nothing to change\n");
}

fn walk(folder: &std::path::Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    entries
        .flat_map(|entry| match entry.path().is_dir() {
            true => walk(&entry.path()),
            false => vec![fs::read_to_string(entry.path()).unwrap()],
        })
        .collect()
}
