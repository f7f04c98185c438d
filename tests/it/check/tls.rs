//! Every kind of bad certificate, served by the real NGINX, is called by its name and comes with
//! its remedy; a good one raises no alarm.

use std::io::{Read, Write};
use std::net::TcpListener;

use super::authority::{Authority, Wish};
use super::secure::Secure;
use super::{Finding, assert_found, bad, bad_about};

/// One kind: how it is made, and what is said about it.
struct Case {
    kind: &'static str,
    make: fn(&Secure),
    level: &'static str,
    found: &'static str,
    fix: &'static str,
}

/// What is served with the intermediate, as it should be.
fn serve(secure: &Secure, wish: &Wish) {
    let (leaf, key) = secure.authority.issue(wish);
    secure.serve(&(leaf + &secure.authority.intermediate()), &key);
    secure.sandbox.front.reload();
}

fn serve_alone(secure: &Secure) -> String {
    let (leaf, key) = secure.authority.issue(&Wish::default());
    secure.serve(&leaf, &key);
    secure.sandbox.front.reload();
    leaf
}

fn wish(change: impl FnOnce(&mut Wish)) -> Wish {
    let mut wish = Wish::default();
    change(&mut wish);
    wish
}

const CASES: [Case; 16] = [
    Case {
        kind: "expired",
        make: |secure| serve(secure, &wish(|wish| (wish.from, wish.until) = (-90, -2))),
        level: "error",
        found: "the certificate has expired on 20",
        fix: "`certbot renew`",
    },
    Case {
        kind: "not yet valid",
        make: |secure| serve(secure, &wish(|wish| wish.from = 2)),
        level: "error",
        found: "the certificate is not valid before 20",
        fix: "`timedatectl`",
    },
    Case {
        kind: "soon",
        make: |secure| serve(secure, &wish(|wish| wish.until = 5)),
        level: "warning",
        found: "the certificate ends in 5 days",
        fix: "`certbot renew --dry-run`",
    },
    Case {
        kind: "self-signed",
        make: |secure| {
            let (leaf, key) = secure.authority.self_signed(&Wish::default());
            secure.serve(&leaf, &key);
            secure.sandbox.front.reload();
        },
        level: "error",
        found: "the certificate is self-signed",
        fix: "`certbot --nginx`",
    },
    Case {
        kind: "incomplete, the whole chain beside it",
        make: |secure| {
            let leaf = serve_alone(secure);
            secure.write("chain.pem", &secure.authority.intermediate());
            secure.write("fullchain.pem", &(leaf + &secure.authority.intermediate()));
        },
        level: "error",
        found: "the chain is incomplete: clients say \"unable to verify the first certificate\", as the server does not \
                send `Shop R1`",
        fix: "serve `{tls}/fullchain.pem` instead of `{tls}/cert.pem`: `ssl_certificate {tls}/fullchain.pem;`",
    },
    Case {
        kind: "incomplete, the rest beside it",
        make: |secure| {
            serve_alone(secure);
            secure.write("chain.pem", &secure.authority.intermediate());
        },
        level: "error",
        found: "the chain is incomplete",
        fix: "`cat {tls}/cert.pem {tls}/chain.pem > {tls}/fullchain.pem`",
    },
    Case {
        kind: "incomplete, and whole on the disk by now",
        make: |secure| {
            let leaf = serve_alone(secure);
            secure.write("cert.pem", &(leaf + &secure.authority.intermediate()));
        },
        level: "error",
        found: "the chain is incomplete",
        fix: "`nginx -s reload`: `{tls}/cert.pem` is whole by now",
    },
    Case {
        kind: "an authority that nobody knows",
        make: |secure| {
            let folder = secure.sandbox.root().join("elsewhere");
            let other = Authority::new(&folder, "Cheap", 900);
            let (leaf, key) = other.issue(&Wish::default());
            secure.serve(&(leaf + &other.intermediate()), &key);
            secure.sandbox.front.reload();
        },
        level: "error",
        found: "`Cheap Root`, which signed for the certificate, is no authority that clients know",
        fix: "clients need `Cheap Root` in their trust store",
    },
    Case {
        kind: "another name",
        make: |secure| {
            serve(
                secure,
                &wish(|wish| wish.names = vec!["shop.example", "www.shop.example"]),
            )
        },
        level: "error",
        found: "the certificate is not for `shop.test`, only for `shop.example`, `www.shop.example`",
        fix: "`certbot --nginx -d shop.test`",
    },
    Case {
        kind: "a common name only",
        make: |secure| serve(secure, &wish(|wish| wish.alternative = false)),
        level: "error",
        found: "it has no subjectAltName, and `shop.test` as common name is looked at by no client",
        fix: "reissue it with `shop.test` among its names",
    },
    Case {
        kind: "renewed and not reloaded",
        make: |secure| {
            serve(secure, &Wish::default());
            secure.serve_good();
        },
        level: "warning",
        found: "NGINX still shows another certificate than the one in `{tls}/cert.pem`",
        fix: "`nginx -s reload`; and let it be done after each renewal",
    },
    Case {
        kind: "expired, renewed and not reloaded",
        make: |secure| {
            serve(secure, &wish(|wish| (wish.from, wish.until) = (-90, -2)));
            secure.serve_good();
        },
        level: "error",
        found: "the certificate has expired on 20",
        fix: "`nginx -s reload`: `{tls}/cert.pem` holds a newer one",
    },
    Case {
        kind: "the key of another",
        make: |secure| {
            serve(secure, &Wish::default());
            let (_, key) = secure.authority.issue(&Wish::default());
            secure.write("privkey.pem", &key);
        },
        level: "error",
        found: "the key `{tls}/privkey.pem` does not belong to the certificate `{tls}/cert.pem`",
        fix: "`ssl_certificate_key` must name the key that `{tls}/cert.pem` was made with",
    },
    Case {
        kind: "a short key",
        make: |secure| serve(secure, &wish(|wish| wish.key = "1024")),
        level: "error",
        found: "`shop.test` has an RSA key of 1024 bits, which clients refuse",
        fix: "an RSA key of 2048 bits or more",
    },
    Case {
        kind: "an old signature",
        make: |secure| serve(secure, &wish(|wish| wish.digest = "sha1")),
        level: "error",
        found: "`shop.test` is signed with SHA-1, which clients refuse",
        fix: "signed with SHA-256",
    },
    Case {
        kind: "not for servers",
        make: |secure| serve(secure, &wish(|wish| wish.usage = "clientAuth")),
        level: "error",
        found: "the certificate is not made for servers",
        fix: "`extendedKeyUsage = serverAuth`",
    },
];

/// A site whose NGINX serves also what OpenSSL refuses by itself.
fn anything() -> Secure {
    let secure = Secure::new();
    let lenient = "ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers DEFAULT:@SECLEVEL=0;";
    secure.sandbox.front.write_conf(lenient);
    secure.sandbox.bg(&["setup"]).assert_code(0);
    secure
}

fn about_tls(secure: &Secure) -> Vec<Finding> {
    bad_about(&secure.bg(&["check", "--json"]), "tls")
}

#[test]
fn every_kind_is_called_by_its_name_and_comes_with_its_remedy() {
    let secure = anything();
    assert!(about_tls(&secure).is_empty(), "{:#?}", about_tls(&secure));
    let tls = secure.folder().display().to_string();
    for case in &CASES {
        (case.make)(&secure);
        let outcome = secure.bg(&["check", "--json"]);
        if case.level == "error" {
            outcome.assert_code(1);
        }
        let found = bad_about(&outcome, "tls");
        let text = |text: &str| text.replace("{tls}", &tls);
        assert_found(&found, case.level, &text(case.found), &text(case.fix));
        let renewed = usize::from(case.kind == "expired, renewed and not reloaded");
        assert_eq!(found.len(), 1 + renewed, "{}: {found:#?}", case.kind);
    }
    serve(&secure, &Wish::default());
    assert!(about_tls(&secure).is_empty(), "{:#?}", about_tls(&secure));
    assert_eq!(CASES.len(), 16);
}

#[test]
fn several_faults_of_one_certificate_are_told_one_by_one() {
    let secure = anything();
    let (leaf, key) = secure.authority.issue(&wish(|wish| {
        (wish.from, wish.until) = (-90, -2);
        wish.names = vec!["shop.example"];
    }));
    secure.serve(&leaf, &key);
    secure.write("chain.pem", &secure.authority.intermediate());
    secure.sandbox.front.reload();
    let found = about_tls(&secure);
    for text in [
        "has expired on 20",
        "the chain is incomplete",
        "is not for `shop.test`",
    ] {
        assert_found(&found, "error", text, "");
    }
    assert_eq!(found.len(), 3, "{found:#?}");
}

#[test]
fn what_is_missing_is_fetched_where_the_certificate_says() {
    let secure = anything();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/r1.der", server.local_addr().unwrap());
    let intermediate = secure.authority.intermediate_der();
    let (leaf, key) = secure
        .authority
        .issue(&wish(|wish| wish.issuer_at = Some(url.clone())));
    secure.serve(&leaf, &key);
    secure.sandbox.front.reload();
    let serving = std::thread::spawn(move || {
        let (mut client, _) = server.accept().unwrap();
        let read = client.read(&mut [0; 1024]).unwrap();
        assert!(read > 0);
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
            intermediate.len()
        );
        client
            .write_all(&[head.as_bytes(), &intermediate].concat())
            .unwrap();
    });
    let found = about_tls(&secure);
    serving.join().unwrap();
    let fix = format!(
        "`curl -sS {url} | openssl x509 -inform DER | cat {}/cert.pem -",
        secure.folder().display()
    );
    assert_found(&found, "error", "the server does not send `Shop R1`", &fix);
    assert_eq!(found.len(), 1, "{found:#?}");
}

#[test]
fn an_intermediate_that_is_over_is_named() {
    let secure = anything();
    let folder = secure.sandbox.root().join("old");
    let old = Authority::new(&folder, "Old", -2);
    let (leaf, key) = old.issue(&Wish::default());
    secure.serve(&(leaf + &old.intermediate()), &key);
    secure.sandbox.front.reload();
    let mut command = secure.command(&["check", "--json"]);
    command.env("SSL_CERT_FILE", old.root());
    let found = bad_about(&super::secure::run(command, &["check"]), "tls");
    assert_found(
        &found,
        "error",
        &format!(
            "`{}`, which signed for the certificate, has expired on 20",
            old.signer()
        ),
        "present intermediate",
    );
    assert_eq!(found.len(), 1, "{found:#?}");
}

/// NGINX has it loaded still; the next reload would fail.
#[test]
fn a_certificate_that_is_gone_is_missed() {
    let secure = anything();
    std::fs::remove_file(secure.folder().join("cert.pem")).unwrap();
    let outcome = secure.bg(&["check", "--json"]);
    outcome.assert_code(1);
    let found = bad(&outcome);
    assert_found(
        &found,
        "error",
        "cert.pem` cannot be read as certificates: No such file",
        "put the certificate back",
    );
    assert_found(
        &found,
        "error",
        "NGINX's configuration cannot be read, or is broken",
        "`nginx -t`",
    );
    // The rest was looked at all the same.
    let report = outcome.stdout;
    for subject in ["\"pm2\"", "\"python\"", "\"log rotation\"", "\"listener\""] {
        assert!(report.contains(subject), "no {subject} in {report}");
    }
}
