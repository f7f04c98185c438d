use crate::takeover::*;

fn wish() -> Wish {
    Wish {
        port: 5000,
        route: "/e/bg/shop/route.conf".into(),
        pass: "/e/bg/shop/pass.conf".into(),
        root: "$bg_shop_root".into(),
        checkout: Some("/site".into()),
        untracked: vec!["uploads".into()],
    }
}

fn dump(files: &[(&str, &str)]) -> Dump {
    let printed: String = files
        .iter()
        .map(|(name, text)| format!("# configuration file {name}:\n{text}\n"))
        .collect();
    Dump::parse(&printed)
}

fn main(site: &str) -> Dump {
    dump(&[("/e/nginx.conf", &format!("http {{\n{site}\n}}"))])
}

/// The site as it will be, without the lines around it.
fn changed(site: &str) -> String {
    let taken = take(&main(site), &wish()).unwrap_or_else(|refused| panic!("{refused:?}\n{site}"));
    let text = taken.files.first().map_or("", |file| file.text.as_str());
    let text = text
        .trim_start_matches("http {\n")
        .trim_end()
        .trim_end_matches('}');
    text.trim_end().to_owned()
}

/// One location with the app's address, as it will be.
fn location(inside: &str) -> String {
    let all = changed(&format!("server {{\n{inside}\n}}"));
    let (_, rest) = all.split_once("route.conf\";\n").unwrap();
    rest.trim_end().trim_end_matches('}').trim_end().to_owned()
}

fn refused(site: &str) -> String {
    let refused = take(&main(site), &wish()).expect_err(site);
    let all: Vec<String> = refused.iter().map(ToString::to_string).collect();
    all.join("\n")
}

#[test]
fn everything_that_is_not_touched_stays_as_it_is() {
    let before = "server { # the shop\n\tlisten 80; # v4\n\n\tserver_name  shop.test ;\n\tlocation / {\n\t\t# to the app\n\t\tproxy_pass   http://127.0.0.1:5000 ; # here\n\t\tproxy_set_header Host $host;\n\t}\n}\nserver { listen 81; }";
    let after = "server { # the shop\n\t# bg: which color is live\n\tinclude \"/e/bg/shop/route.conf\";\n\tlisten 80; # v4\n\n\tserver_name  shop.test ;\n\tlocation / {\n\t\t# to the app\n\t\t# bg: was `proxy_pass   http://127.0.0.1:5000 ;`\n\t\tinclude \"/e/bg/shop/pass.conf\";\n\t\tproxy_redirect http://127.0.0.1:5000/ /; # here\n\t\tproxy_set_header Host $host;\n\t}\n}\nserver { listen 81; }";
    assert_eq!(changed(before), after);
}

#[test]
fn what_nginx_did_by_default_is_written_out() {
    let table = [
        (
            "location / { proxy_pass http://127.0.0.1:5000; }",
            "location / { include \"/e/bg/shop/pass.conf\"; proxy_redirect http://127.0.0.1:5000/ /; proxy_set_header Host 127.0.0.1:5000; }",
        ),
        (
            "location /api/ { proxy_pass http://localhost:5000/v1/; proxy_set_header host $host; }",
            "location /api/ { include \"/e/bg/shop/pass.conf\"; rewrite \"(?s)^/api/(.*)$\" \"/v1/$1\" break; proxy_redirect http://localhost:5000/v1/ /api/; proxy_set_header host $host; }",
        ),
        (
            "location ^~ /a.b { proxy_pass http://127.0.0.1:5000/; proxy_redirect off; proxy_set_header Host $host; }",
            "location ^~ /a.b { include \"/e/bg/shop/pass.conf\"; rewrite \"(?s)^/a[.]b(.*)$\" \"/$1\" break; proxy_redirect off; proxy_set_header Host $host; }",
        ),
        // A header of its own, and none of those further out.
        (
            "proxy_set_header Host $host; location / { proxy_set_header X-A 1; proxy_redirect default; proxy_pass http://127.0.0.1:5000; }",
            "proxy_set_header Host $host; location / { proxy_set_header X-A 1; proxy_redirect http://127.0.0.1:5000/ /; include \"/e/bg/shop/pass.conf\"; proxy_set_header Host 127.0.0.1:5000; }",
        ),
        // None of its own: those further out come along with the name.
        (
            "proxy_set_header X-A 1; proxy_redirect off; location / { proxy_pass http://127.0.0.1:5000; }",
            "proxy_set_header X-A 1; proxy_redirect off; location / { include \"/e/bg/shop/pass.conf\"; proxy_set_header X-A 1; proxy_set_header Host 127.0.0.1:5000; }",
        ),
        // A break above it.
        (
            "proxy_redirect off; proxy_set_header Host x; location / { rewrite ^/x(.*)$ $1 break; proxy_pass http://127.0.0.1:5000; }",
            "proxy_redirect off; proxy_set_header Host x; location / {\n    include \"/e/bg/shop/pass.conf\"; rewrite ^/x(.*)$ $1 break;  }",
        ),
        (
            "proxy_redirect off; proxy_set_header Host x; location / { location ~ ^/u { proxy_pass http://127.0.0.1:5000; } proxy_pass http://127.0.0.1:6000; }",
            "proxy_redirect off; proxy_set_header Host x; location / { location ~ ^/u { include \"/e/bg/shop/pass.conf\"; } proxy_pass http://127.0.0.1:6000; }",
        ),
    ];
    for (before, after) in table {
        assert_eq!(location(before), after, "{before}");
    }
    assert_eq!(table.len(), 7);
}

#[test]
fn an_upstream_with_the_app_alone_is_its_name() {
    let after = changed(
        "upstream back { server 127.0.0.1:5000 weight=2; keepalive 8; }\nserver {\nlocation / { proxy_pass http://back; }\n}",
    );
    assert!(
        after.contains("proxy_redirect http://back/ /; proxy_set_header Host back;"),
        "{after}"
    );
    let two = "upstream back { server 127.0.0.1:5000; server 10.0.0.2:5000 backup; }\nserver { location / { proxy_pass http://back; } }";
    let said = refused(two);
    assert!(
        said.contains("/e/nginx.conf:3: `back` has another server"),
        "{said}"
    );
}

#[test]
fn pages_for_errors_further_out_still_count() {
    let after = changed(
        "error_page 500 /50x.html;\nserver {\n    location / { proxy_pass http://127.0.0.1:5000; }\n}",
    );
    assert!(
        after.contains("route.conf\";\n    error_page 500 /50x.html;\n"),
        "{after}"
    );
    let own = changed(
        "error_page 500 /50x.html;\nserver {\n    error_page 404 /x;\n    location / { proxy_pass http://127.0.0.1:5000; }\n}",
    );
    assert!(own.contains("route.conf\";\n    error_page 404"), "{own}");
}

#[test]
fn what_cannot_keep_its_meaning_is_refused_with_its_place() {
    let in_server = |inside: &str| refused(&format!("server {{\n{inside}\n}}"));
    let table = [
        (
            "location / { proxy_pass http://127.0.0.1:5000$request_uri; }",
            "a variable stands behind",
        ),
        (
            "set $b http://127.0.0.1:5000; location / { proxy_pass http://127.0.0.1:5000; }",
            "a variable holds",
        ),
        ("location / { proxy_pass https://127.0.0.1:5000; }", "speaks TLS"),
        (
            "location / { uwsgi_pass 127.0.0.1:5000; }",
            "`uwsgi_pass` is not HTTP",
        ),
        (
            "location / { if ($a) { proxy_pass http://127.0.0.1:5000; } }",
            "inside `if`",
        ),
        (
            "location /a/ { rewrite ^ /x; proxy_pass http://127.0.0.1:5000/; }",
            "and a `rewrite`",
        ),
        (
            "location /a$/ { proxy_pass http://127.0.0.1:5000/; }",
            "cannot be put before",
        ),
        (
            "open_file_cache max=9; location / { proxy_pass http://127.0.0.1:5000; }",
            "file cache",
        ),
        (
            "disable_symlinks on; location / { proxy_pass http://127.0.0.1:5000; }",
            "from following the live link",
        ),
        (
            "proxy_set_header Host $proxy_host; location / { proxy_pass http://127.0.0.1:5000; }",
            "`$proxy_host`",
        ),
    ];
    for (inside, said) in table {
        let refused = in_server(inside);
        assert!(refused.contains(said), "{inside}: {refused}");
        assert!(refused.starts_with("/e/nginx.conf:3: "), "{refused}");
    }
    assert_eq!(table.len(), 10);
}

#[test]
fn a_snippet_is_changed_where_it_stands_and_after_the_servers_that_include_it() {
    let site = "server {\n    location / { include /e/a-pass; }\n}\nserver {\n    location / { include /e/a-pass; }\n}";
    let files = [
        ("/e/nginx.conf", "http {\n    include /e/site;\n}"),
        ("/e/site", site),
        (
            "/e/a-pass",
            "proxy_pass http://127.0.0.1:5000;\nproxy_set_header Host $host;",
        ),
    ];
    let taken = take(&dump(&files), &wish()).unwrap();
    let names: Vec<&Path> = taken.files.iter().map(|file| file.path.as_path()).collect();
    assert_eq!(names, [Path::new("/e/site"), Path::new("/e/a-pass")]);
    assert_eq!(taken.files[0].text.matches("route.conf").count(), 2);
    assert_eq!(taken.files[1].text.matches("pass.conf").count(), 1);
    assert_eq!(taken.servers.len(), 2);
    // With a URI it means something else at each place.
    let clash = [
        ("/e/nginx.conf", "http {\n    include /e/site;\n}"),
        (
            "/e/site",
            "server { location /a/ { include /e/p; } location /b/ { include /e/p; } }",
        ),
        ("/e/p", "proxy_pass http://127.0.0.1:5000/;"),
    ];
    let refused = take(&dump(&clash), &wish()).unwrap_err();
    assert!(
        refused[0].what.contains("included at several places"),
        "{refused:?}"
    );
}

#[test]
fn what_nginx_serves_from_the_work_tree_follows_the_color() {
    let site = "server {\nroot /site/html;\nlocation /static/ { alias /site/app/static/; }\nlocation /img/ { root /site; }\nlocation /up/ { alias /site/uploads/; }\nlocation /all/ { alias /site/; }\nlocation ~ ^/m/(.*)$ { alias /site/media/$1; }\nlocation /o/ { root /other; }\nlocation / { proxy_pass http://127.0.0.1:5000; }\n}";
    let taken = take(&main(site), &wish()).unwrap();
    let text = &taken.files[0].text;
    for line in [
        "root \"$bg_shop_root/html\";",
        "alias \"$bg_shop_root/app/static/\";",
        "location /img/ { root \"$bg_shop_root\"; }",
        "alias /site/uploads/;",
        "alias /site/;",
        "alias \"$bg_shop_root/media/$1\";",
        "root /other;",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let folders: Vec<String> = taken
        .statics
        .iter()
        .map(|one| one.folder.display().to_string())
        .collect();
    assert_eq!(folders, ["app/static", "html", "img", "media"]);
    assert_eq!(taken.notes.len(), 2, "{:?}", taken.notes);
}

#[test]
fn paths_and_listeners_are_known() {
    let site = "server {\nlisten 80; listen 443 ssl;\nserver_name a b;\nssl_certificate /c;\nlocation = /x { proxy_pass http://127.0.0.1:5000; }\nlocation @app { proxy_pass http://127.0.0.1:5000; }\n}\nserver { location / { proxy_pass http://127.0.0.1:6000; } }\nssl_certificate_key /k;";
    let taken = take(&main(site), &wish()).unwrap();
    let [server] = taken.servers.as_slice() else {
        panic!("{taken:?}");
    };
    assert_eq!(server.listens, ["80", "443 ssl"]);
    assert_eq!(server.names, ["a", "b"]);
    assert_eq!(server.paths, ["/x"]);
    assert!(server.hidden);
    assert_eq!(server.tls, Some(("/c".into(), "/k".into())));
}
