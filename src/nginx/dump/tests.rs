use crate::dump::*;

const OUTPUT: &str = r#"# configuration file /etc/nginx/nginx.conf:
user www-data;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
http {
    open_file_cache max=1000;
    keepalive_min_timeout 5s;
    include mime.types;
    include /etc/nginx/conf.d/*.conf;
    include sites-enabled/*;
}

# configuration file /etc/nginx/mime.types:
types { text/html html; }

# configuration file /etc/nginx/conf.d/bg-shop.conf:
include "/etc/nginx/bg/shop/upstreams.conf";

# configuration file /etc/nginx/bg/shop/upstreams.conf:
upstream bg_shop_blue { server 127.0.0.1:5000 max_fails=0; }

# configuration file /etc/nginx/sites-enabled/shop:
server {
    listen 80;
    listen [::]:443 ssl http2;
    server_name shop.example www.shop.example;
    include bg/shop/route.conf;
    open_file_cache off;
    location / { include bg/shop/proxy.conf; }
    location /old/ { proxy_pass http://localhost:5000/; }
    location /static/ { alias /srv/shop/current/static/; }
}
server {
    listen [::]:443 ssl;
    server_name other.example;
    root "/srv/a b";
}
server { listen 81; http2 on; }
server { listen 82 quic; keepalive_min_timeout 0; }

# configuration file /etc/nginx/bg/shop/route.conf:
set $bg_shop_color blue;

# configuration file /etc/nginx/bg/shop/proxy.conf:
proxy_pass http://bg_shop_$bg_shop_color;
"#;

#[test]
fn what_stands_in_the_main_file_is_found() {
    let dump = Dump::parse(OUTPUT);
    assert_eq!(dump.files.len(), 7);
    assert_eq!(dump.pid().unwrap(), Path::new("/run/nginx.pid"));
    assert_eq!(dump.user().unwrap(), "www-data");
    assert_eq!(dump.error_log().unwrap(), Path::new("/var/log/nginx/error.log"));
    let empty = Dump::parse("nginx: nothing of use\n");
    assert_eq!(
        (empty.pid(), empty.servers().len(), empty.files.len()),
        (None, 0, 0)
    );
}

#[test]
fn an_include_is_known_before_its_file_is_there() {
    let dump = Dump::parse(OUTPUT);
    let table = [
        ("/etc/nginx/conf.d/bg-new.conf", true),
        ("/etc/nginx/sites-enabled/anything", true),
        ("/etc/nginx/conf.d/bg-new.conf.bak", false),
        ("/etc/nginx/conf.d/.hidden.conf", false),
        ("/etc/nginx/conf.d/deeper/bg-new.conf", false),
        ("/etc/nginx/bg/shop/route.conf", false),
        ("/etc/nginx/bg/shop/upstreams.conf", true),
    ];
    for (path, included) in table {
        assert_eq!(dump.http_includes(Path::new(path)), included, "{path}");
    }
    assert_eq!(table.len(), 7);
}

#[test]
fn servers_show_their_listeners_and_what_is_in_force() {
    let servers = Dump::parse(OUTPUT).servers();
    let seen = servers.iter().map(|s| {
        let (kept, cache) = (s.keepalive_min_timeout.as_deref(), s.open_file_cache.as_deref());
        (s.place.line, s.http2, s.http3, kept, cache)
    });
    let (five, cache) = (Some("5s"), Some("max=1000"));
    let expected = [
        (1, true, false, five, Some("off")),
        (11, true, false, five, cache),
        (16, true, false, five, cache),
        (17, false, true, Some("0"), cache),
    ];
    assert!(seen.clone().eq(expected), "{:?}", seen.collect::<Vec<_>>());
    let shop = servers.first().unwrap();
    assert_eq!(shop.names, ["shop.example", "www.shop.example"]);
    assert_eq!(shop.listens, [vec!["80"], vec!["[::]:443", "ssl", "http2"]]);
    assert_eq!(
        shop.includes,
        [
            Path::new("/etc/nginx/bg/shop/route.conf"),
            Path::new("/etc/nginx/bg/shop/proxy.conf")
        ]
    );
}

#[test]
fn other_ways_to_a_port_and_served_folders_are_named_by_line() {
    let dump = Dump::parse(OUTPUT);
    let show = |found: Vec<Found>| -> Vec<String> {
        found.iter().map(|f| format!("{} {}", f.place, f.text)).collect()
    };
    let ours = Path::new("/etc/nginx/bg/shop");
    assert_eq!(
        show(dump.others_that_pass_to(5000, ours)),
        ["/etc/nginx/sites-enabled/shop:8 http://localhost:5000/"]
    );
    assert_eq!(
        show(dump.others_that_pass_to(5000, Path::new("/elsewhere"))).len(),
        2
    );
    assert_eq!(show(dump.others_that_pass_to(500, ours)).len(), 0);
    assert_eq!(
        show(dump.served_folders()),
        [
            "/etc/nginx/sites-enabled/shop:9 /srv/shop/current/static/",
            "/etc/nginx/sites-enabled/shop:14 /srv/a b"
        ]
    );
}

#[test]
fn what_is_read_from_files_is_what_nginx_would_print() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("sites")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(at(name), text).unwrap();
    write(
        "nginx.conf",
        "events { worker_connections 2048; }\nhttp {\n  ssl_certificate all.pem;\n  ssl_certificate_key all.key;\n\
         include sites/*.conf;\n  include gone.conf;\n}\n",
    );
    write("sites/a.conf", "server { listen 80; include tls.conf; }\n");
    write(
        "sites/b.conf",
        "server { listen 81; }\nserver { ssl_certificate $name.pem; ssl_certificate_key k; }\n",
    );
    write(
        "tls.conf",
        "ssl_certificate /a.pem;\nssl_certificate_key a.key;\n",
    );
    let dump = Dump::read(&at("nginx.conf")).unwrap();
    assert_eq!(dump.worker_connections(), 2048);
    let servers = dump.servers();
    let certificates: Vec<_> = servers.iter().map(|server| server.certificates.clone()).collect();
    assert_eq!(
        certificates,
        [
            vec![(PathBuf::from("/a.pem"), at("a.key"))],
            vec![(at("all.pem"), at("all.key"))],
            vec![],
        ]
    );
    let printed: String = dump
        .files
        .iter()
        .map(|(file, text)| format!("# configuration file {}:\n{text}\n", file.display()))
        .collect();
    assert_eq!(Dump::parse(&printed).servers(), servers);
    assert!(Dump::read(&at("none.conf")).is_err());
    assert_eq!(Dump::parse("").worker_connections(), 512);
}
