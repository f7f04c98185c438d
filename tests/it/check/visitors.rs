//! What a site of one's own hands on to the app, or serves, that ours would not.

use std::fs;
use std::os::unix::fs::symlink;

use super::{Finding, assert_found, bad_about};
use crate::sandbox::Sandbox;

fn about(sandbox: &Sandbox, subject: &str) -> Vec<Finding> {
    bad_about(&sandbox.bg(&["check", "--json"]), subject)
}

/// A site of the user's own in place of ours.
fn serve(sandbox: &Sandbox, http: &str, inside: &str) {
    let listen = sandbox.address();
    let rendered = |name: &str| sandbox.front.conf().with_file_name("bg/shop").join(name);
    let inside = inside.replace(
        "{pass}",
        &format!("include \"{}\";", rendered("pass.conf").display()),
    );
    let text = format!(
        "{http}\nserver {{\n    listen {listen};\n    server_name shop.test;\n    include \"{}\";\n{inside}\n}}\n",
        rendered("route.conf").display()
    );
    fs::write(sandbox.front.sites().join("shop.conf"), text).unwrap();
    sandbox.front.reload();
}

#[test]
fn what_a_site_of_ones_own_hands_on_is_found() {
    let sandbox = Sandbox::deployed();
    for subject in ["upgrade", "host", "links"] {
        let found = about(&sandbox, subject);
        assert!(found.is_empty(), "{found:#?}");
    }
    let upgrades = [
        (
            "",
            "location / { {pass} proxy_set_header Upgrade $http_upgrade; }",
        ),
        (
            "",
            "location / { {pass} proxy_set_header upgrade \"${http_upgrade}\"; }",
        ),
        ("proxy_set_header Upgrade $http_upgrade;", "location / { {pass} }"),
        (
            "",
            "proxy_set_header Upgrade $http_upgrade; location /a { location /a/b { {pass} } } location / { {pass} proxy_set_header X y; }",
        ),
        (
            "",
            "set $protocol $http_upgrade; location / { {pass} proxy_set_header Upgrade $protocol; }",
        ),
        (
            "map $http_upgrade $protocol { default $http_upgrade; '' ''; }",
            "location / { {pass} proxy_set_header Upgrade $protocol; }",
        ),
    ];
    for (http, inside) in upgrades {
        serve(&sandbox, http, inside);
        assert_found(
            &about(&sandbox, "upgrade"),
            "warning",
            "is handed on at",
            "`proxy_set_header Upgrade $bg_shop_upgrade;`",
        );
    }
    let fine = [
        (
            "",
            "location / { {pass} proxy_set_header Upgrade $bg_shop_upgrade; proxy_set_header Host $bg_shop_host; }",
        ),
        (
            "proxy_set_header Upgrade $http_upgrade;",
            "location / { {pass} proxy_set_header Host shop.test; }",
        ),
        (
            "map $http_upgrade $protocol { default ''; websocket websocket; }",
            "location / { {pass} proxy_set_header Upgrade $protocol; proxy_set_header Host shop.test; }",
        ),
        // Another app's.
        (
            "",
            "location / { {pass} proxy_set_header Host shop.test; } location /other { proxy_pass http://127.0.0.1:9; proxy_set_header Upgrade $http_upgrade; }",
        ),
    ];
    for (http, inside) in fine {
        serve(&sandbox, http, inside);
        for subject in ["upgrade", "host"] {
            let found = about(&sandbox, subject);
            assert!(found.is_empty(), "{inside}: {found:#?}");
        }
    }
    for (header, found) in [
        ("Host $http_host", "`$http_host` is handed on at"),
        ("X-Forwarded-Host $http_host", "`$http_host` is handed on at"),
        ("Host $host", "other names than the site's reach the app on"),
        ("X-Forwarded-Host $host", "and `$host` is handed on at"),
    ] {
        serve(
            &sandbox,
            "",
            &format!("location / {{ {{pass}} proxy_set_header {header}; }}"),
        );
        assert_found(
            &about(&sandbox, "host"),
            "warning",
            found,
            "`proxy_set_header Host $bg_shop_host;`",
        );
    }
    // Where nobody else's name gets there, `$host` is one of the site's.
    let listen = sandbox.address();
    let first = format!("server {{ listen {listen} default_server; return 444; }}");
    serve(
        &sandbox,
        &first,
        "location / { {pass} proxy_set_header Host $host; }",
    );
    let found = about(&sandbox, "host");
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn links_in_what_is_served_are_found_and_a_deploy_tells_them() {
    let sandbox = Sandbox::deployed();
    serve(
        &sandbox,
        "",
        "location / { {pass} proxy_set_header Host shop.test; } location /static/ { alias $bg_shop_root/static/; }",
    );
    assert_found(
        &about(&sandbox, "links"),
        "warning",
        "links are followed in the folder served at",
        "`disable_symlinks on \"from=$bg_shop_root\";`",
    );
    serve(
        &sandbox,
        "",
        "location / { {pass} proxy_set_header Host shop.test; } location /static/ { alias $bg_shop_root/static/; disable_symlinks on from=$bg_shop_root; }",
    );
    let found = about(&sandbox, "links");
    assert!(found.is_empty(), "{found:#?}");
    sandbox.commit("a link", |repo| {
        symlink("../app.py", repo.join("static/source.txt")).unwrap();
        symlink("../templates", repo.join("static/pages")).unwrap();
        symlink("shop.css", repo.join("static/same.css")).unwrap();
    });
    let deploy = sandbox.bg(&["deploy"]);
    deploy.assert_code(0);
    deploy.assert_says("`static/pages`, `static/source.txt` will be missing");
    assert_eq!(sandbox.get("/static/shop.css").status, 200);
    assert_eq!(
        sandbox.get("/static/same.css").body,
        sandbox.get("/static/shop.css").body
    );
    let source = sandbox.get("/static/source.txt");
    assert!(!source.body.contains("import"), "{}", source.body);
    assert_found(
        &about(&sandbox, "links"),
        "warning",
        "NGINX does not follow links: `static/pages`, `static/source.txt` of",
        "`shared`",
    );
}
