use crate::known_hosts::*;

const ED: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIChny7Op4jIH3w2E2iY/Dax42UmcheJk0UC0I4RyaVBo";
const ED2: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINaOGc8NGYLO5IU48alnUraI10+1t2tExweA9RmaSgrt";
const EC: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBLb535jwu1dWI0jpknLmfKRkplO8g48s/qNIjDCimlCUqyWSWwT3pkEalNolIWb0qnoECB2XLb+T8pc54EPaUjE=";
const RSA: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQDYLx/+KsW+KrFSNeSFujyp6ZDI2x6l9ra9GAJBSFLr1zLcdZb6G3VMzoit2tGPv+pGlMtpr0ovQM4GVMedcD4eWKO219K+1wkbMW1JUS0cOcwepAt9bthudt0WGnLTApREjuOKDl8orf7MDhhofuN6yZ9pD13lLLtHelJ7ER+jaQ==";
/// `web1` and `[web1]:2222`, hidden by `ssh-keygen -H`.
const HIDDEN: &str = "|1|WbhKUsD1wZqiwyZ4uDrhDFW7MKM=|odP++IT2cZ5uZpJYSSnm+Be0FIA=";
const HIDDEN_PORT: &str = "|1|FzBSLjpri9kldnB8b+HMsuXLMqU=|IYg16F5QwisFwoBt2xqDjYBRjoY=";

fn known(text: &str) -> KnownHosts {
    let mut known = KnownHosts::default();
    known.add(Path::new("/k"), text);
    known
}

fn key(text: &str) -> KeyData {
    text.parse::<PublicKey>().unwrap().key_data().clone()
}

/// `known`, `unknown`, `changed 1,2`, `revoked 3`.
fn judged(text: &str, host: &str, port: u16, shown: &str) -> String {
    match known(text).judge(&Names::new(host, port, None), &key(shown)) {
        Verdict::Known => "known".to_owned(),
        Verdict::Unknown => "unknown".to_owned(),
        Verdict::Changed(places) => {
            let lines: Vec<String> = places.iter().map(|place| place.line.to_string()).collect();
            format!("changed {}", lines.join(","))
        }
        Verdict::Revoked(place) => format!("revoked {}", place.line),
    }
}

#[test]
fn each_line_says_what_it_says_to_ssh() {
    let table = [
        (format!("web1 {ED}"), "web1", 22, ED, "known"),
        (format!("web1 {ED}"), "WEB1", 22, ED, "known"),
        (format!("WEB1 {ED}"), "web1", 22, ED, "known"),
        (format!("web1 {ED}"), "web2", 22, ED, "unknown"),
        (String::new(), "web1", 22, ED, "unknown"),
        (format!("web1 {ED}"), "web1", 22, ED2, "changed 1"),
        // Another kind of key is no less of a change: the known one would have been shown.
        (format!("web1 {RSA}"), "web1", 22, ED, "changed 1"),
        // Keys being replaced, and several kinds.
        (
            format!("web1 {ED2}\nweb1 {ED}\nweb1 {RSA}"),
            "web1",
            22,
            ED,
            "known",
        ),
        (format!("web1 {ED2}\nweb1 {RSA}"), "web1", 22, ED, "changed 1,2"),
        // Lists, wildcards, negations.
        (format!("db,web1,10.0.0.7 {ED}"), "10.0.0.7", 22, ED, "known"),
        (format!("*.org {ED}"), "web1.org", 22, ED, "known"),
        (format!("web? {ED}"), "web1", 22, ED, "known"),
        (format!("*.org,!db.org {ED}"), "db.org", 22, ED, "unknown"),
        (format!("!db.org,*.org {ED}"), "web.org", 22, ED2, "changed 1"),
        // Ports: a line with one is for it, one without counts only when it fits.
        (format!("[web1]:2222 {ED}"), "web1", 2222, ED, "known"),
        (format!("[web1]:2222 {ED}"), "web1", 22, ED, "unknown"),
        (format!("[web1]:2222 {ED}"), "web1", 2223, ED, "unknown"),
        (format!("web1 {ED}"), "web1", 2222, ED, "known"),
        (format!("web1 {ED}"), "web1", 2222, ED2, "unknown"),
        (
            format!("[web1]:2222 {ED}\nweb1 {ED2}"),
            "web1",
            2222,
            ED2,
            "changed 1",
        ),
        (format!("[*.org]:2222 {ED}"), "web1.org", 2222, ED, "known"),
        (format!("[::1]:2222 {ED}"), "::1", 2222, ED, "known"),
        // Hidden names.
        (format!("{HIDDEN} {ED}"), "web1", 22, ED, "known"),
        (format!("{HIDDEN} {ED}"), "web2", 22, ED, "unknown"),
        (format!("{HIDDEN} {ED}"), "web1", 22, ED2, "changed 1"),
        (format!("{HIDDEN_PORT} {ED}"), "web1", 2222, ED, "known"),
        (format!("{HIDDEN_PORT} {ED}"), "web1", 22, ED, "unknown"),
        // Marks.
        (format!("web1 {ED}\n@revoked * {ED}"), "web1", 22, ED, "revoked 2"),
        (format!("@revoked * {ED2}\nweb1 {ED}"), "web1", 22, ED, "known"),
        (
            format!("@revoked web1 {ED}\nweb1 {ED}"),
            "web1",
            2222,
            ED,
            "revoked 1",
        ),
        (format!("@revoked db {ED}\nweb1 {ED}"), "web1", 22, ED, "known"),
        (format!("@cert-authority * {ED}"), "web1", 22, ED, "unknown"),
        (format!("@strange * {ED}\nweb1 {ED}"), "web1", 22, ED, "known"),
        // Spaces, tabs, comments, empty lines, lines without sense; and the right numbers.
        (
            format!("\n# old\n \t web1\t{}\t a comment \n", ED2.replace(' ', "\t")),
            "web1",
            22,
            ED,
            "changed 3",
        ),
        (
            format!("#web1 {ED}\nweb1\nweb1 ssh-ed25519 nonsense\nweb1 {ED}\r\n"),
            "web1",
            22,
            ED,
            "known",
        ),
        (
            format!("  @revoked\t\tweb1   {ED} # why\n"),
            "web1",
            22,
            ED,
            "revoked 1",
        ),
    ];
    let mut seen = 0;
    for (text, host, port, shown, wanted) in table {
        assert_eq!(
            judged(&text, host, port, shown),
            wanted,
            "{host}:{port} in {text:?}"
        );
        seen += 1;
    }
    assert_eq!(seen, 36);
}

#[test]
fn an_alias_stands_alone() {
    let names = Names::new("10.0.0.7", 2222, Some("Web1"));
    assert_eq!((names.main.as_str(), names.principal()), ("web1", "web1"));
    let known = known(&format!("web1 {ED}\n[10.0.0.7]:2222 {ED2}\n"));
    assert_eq!(known.judge(&names, &key(ED)), Verdict::Known);
    assert!(matches!(known.judge(&names, &key(ED2)), Verdict::Changed(_)));
}

#[test]
fn the_known_kinds_are_those_of_the_lines_that_count() {
    let text = format!("[web1]:2222 {RSA}\nweb1 {ED}\nweb1 {EC}\n@revoked web1 {ED2}\n");
    let kinds = |port| -> Vec<String> {
        let names = Names::new("web1", port, None);
        known(&text).kinds(&names).iter().map(kind).collect()
    };
    assert_eq!(kinds(2222), ["RSA"]);
    assert_eq!(kinds(22), ["ED25519", "ECDSA"]);
    assert_eq!(
        kinds(2223),
        ["ED25519", "ECDSA"],
        "as good as any where the port is not known"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_not_taken_for_an_empty_one() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().to_owned();
    assert!(matches!(
        KnownHosts::read(std::slice::from_ref(&folder)),
        Err(SshError::File { done: "read", .. })
    ));
    assert!(KnownHosts::read(&[folder.join("none")]).is_ok());
}

#[test]
fn a_place_says_file_line_and_fingerprint() {
    let Verdict::Changed(places) =
        known(&format!("\nweb1 {ED}")).judge(&Names::new("web1", 22, None), &key(ED2))
    else {
        panic!("it has changed");
    };
    let text: Vec<String> = places.iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        ["/k:2 has ED25519 SHA256:0fXQKnaDo4jIUv77YcLJ/ms3WPJlCGWq2FbTjK52xMA"]
    );
}
