//! The host is not known, or not the one that is known: nothing is sent to it.

use super::*;

#[test]
fn an_unknown_host_is_shown_with_the_command_that_adds_it() {
    let door = Door::authorized();
    assert_eq!(
        door.page(&["web1"], 3),
        "error: no SSH connection to `web1`\n\
         caused by: its host key is not known: ED25519 SHA256:HOST\n\
         hint: compare SHA256:HOST with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the host itself\n\
         hint: when it is the same, `bluegreen status --host web1 --accept-new-host-key` adds it\n\
         hint: or add this line to HOME/.ssh/known_hosts: [127.0.0.1]:PORT HOST-KEY\n"
    );
    door.assert_heard_nothing();
    assert!(!door.home.ssh("known_hosts").exists());
    // As it is typed there, once; the second time nothing is needed.
    door.assert_gets_in(&["web1", "--accept-new-host-key"]);
    assert!(
        door.server.log().contains(ATTEMPT),
        "an attempt can be seen where there is one"
    );
    let known = fs::read_to_string(door.home.ssh("known_hosts")).unwrap();
    // The name is hidden where the machine's own configuration says so.
    let line = door.named(&known);
    assert!(
        line.starts_with("|1|") || line.starts_with("[127.0.0.1]:PORT "),
        "{line}"
    );
    assert!(
        line.ends_with(" HOST-KEY\n") && line.lines().count() == 1,
        "{line}"
    );
    door.assert_gets_in(&["web1"]);
    assert_eq!(fs::read_to_string(door.home.ssh("known_hosts")).unwrap(), known);
}

#[test]
fn a_changed_key_is_refused_with_and_without_accepting_new_ones() {
    let door = Door::authorized();
    door.know_another();
    let before = fs::read_to_string(door.home.ssh("known_hosts")).unwrap();
    for args in [&["web1"][..], &["web1", "--accept-new-host-key"]] {
        assert_eq!(
            door.page(args, 3),
            "error: no SSH connection to `web1`\n\
             caused by: its host key has changed: it shows ED25519 SHA256:HOST\n  \
             HOME/.ssh/known_hosts:1 has ED25519 SHA256:other\n\
             hint: either the host was set up anew, or something else answers in its place: ask who runs it\n\
             hint: only when it was set up anew: `ssh-keygen -f HOME/.ssh/known_hosts -R '[127.0.0.1]:PORT'` forgets the old key\n"
        );
    }
    door.assert_heard_nothing();
    assert_eq!(fs::read_to_string(door.home.ssh("known_hosts")).unwrap(), before);
}

#[test]
fn a_revoked_key_is_never_used_again() {
    let door = Door::authorized();
    let line = door.server.known_line("ed25519");
    door.home.know(&line);
    door.home
        .know(&format!("@revoked * {}", line.split_once(' ').unwrap().1));
    for args in [&["web1"][..], &["web1", "--accept-new-host-key"]] {
        assert_eq!(
            door.page(args, 3),
            "error: no SSH connection to `web1`\n\
             caused by: its host key is revoked: ED25519 SHA256:HOST\n  \
             HOME/.ssh/known_hosts:2 has ED25519 SHA256:HOST\n\
             hint: a revoked key is never accepted: give the host a new key\n"
        );
    }
    door.assert_heard_nothing();
}

#[test]
fn a_hidden_name_is_found_and_a_changed_key_under_it_is_refused() {
    let door = Door::authorized();
    let hide = || {
        run(Command::new("ssh-keygen")
            .args(["-q", "-H", "-f"])
            .arg(door.home.ssh("known_hosts")));
        assert!(
            fs::read_to_string(door.home.ssh("known_hosts"))
                .unwrap()
                .starts_with("|1|")
        );
    };
    door.know_another();
    hide();
    let page = door.page(&["web1"], 3);
    assert!(
        page.starts_with(
            "error: no SSH connection to `web1`\n\
             caused by: its host key has changed: it shows ED25519 SHA256:HOST\n  \
             HOME/.ssh/known_hosts:1 has ED25519 SHA256:other\n"
        ),
        "{page}"
    );
    door.assert_heard_nothing();
    fs::remove_file(door.home.ssh("known_hosts")).unwrap();
    door.home.know(&door.server.known_line("ed25519"));
    hide();
    door.assert_gets_in(&["web1"]);
}

#[test]
fn a_jump_host_is_checked_as_strictly_and_nobody_behind_it_hears_of_us() {
    let hop = Door::authorized();
    let behind = Sshd::start(&hop.root, &["LogLevel DEBUG1"]);
    let config = fs::read_to_string(hop.home.ssh("config")).unwrap();
    let through = format!(
        "Host inside\n  HostName 127.0.0.1\n  Port {}\n  User {}\n  ProxyJump web1\n{config}",
        behind.port(),
        user()
    );
    hop.home.write("config", &through);
    hop.home.know(&behind.known_line("ed25519"));
    assert_eq!(
        hop.page(&["inside"], 3),
        "error: no SSH connection to `inside`\n\
         caused by: cannot get past the jump host `web1`\n\
         caused by: its host key is not known: ED25519 SHA256:HOST\n\
         hint: compare SHA256:HOST with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints on the host itself\n\
         hint: when it is the same, `bluegreen status --host web1 --accept-new-host-key` adds it\n\
         hint: or add this line to HOME/.ssh/known_hosts: [127.0.0.1]:PORT HOST-KEY\n"
    );
    hop.know_another();
    assert_eq!(
        hop.page(&["inside", "--accept-new-host-key"], 3),
        "error: no SSH connection to `inside`\n\
         caused by: cannot get past the jump host `web1`\n\
         caused by: its host key has changed: it shows ED25519 SHA256:HOST\n  \
         HOME/.ssh/known_hosts:2 has ED25519 SHA256:other\n\
         hint: either the host was set up anew, or something else answers in its place: ask who runs it\n\
         hint: only when it was set up anew: `ssh-keygen -f HOME/.ssh/known_hosts -R '[127.0.0.1]:PORT'` forgets the old key\n"
    );
    hop.assert_heard_nothing();
    let log = behind.log();
    assert!(
        !log.contains("Remote protocol version"),
        "nobody came to the host behind it: {log}"
    );
}
