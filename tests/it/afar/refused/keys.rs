//! The host is the right one and does not let us in: why, and what would help.

use crate::sandbox::wait::wait_until;
use std::time::Duration;

use super::*;

/// The server is known; nobody is let in yet.
fn known() -> Door {
    let door = Door::new();
    door.home.know(&door.server.known_line("ed25519"));
    door
}

#[test]
fn a_key_that_is_refused_is_named_with_the_user() {
    let door = known();
    assert_eq!(
        door.page(&["web1"], 1),
        format!(
            "error: no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{0}`\n  \
             `HOME/.ssh/id_ed25519` (ED25519 SHA256:id_ed25519): refused\n\
             hint: one of these must be in authorized_keys of `{0}` at `web1`; `User` in ~/.ssh/config or `USER@web1` \
             names another user\n",
            user()
        )
    );
    assert!(!door.root.join("there/.cache").exists());
    // It does what is said.
    door.server.authorize(&door.home.public());
    door.assert_gets_in(&["web1"]);
}

#[test]
fn a_wrong_user_is_refused_the_same_way() {
    let door = known();
    door.server.authorize(&door.home.public());
    let page = |user: &str, host: &str| {
        format!(
            "error: no SSH connection to `{host}`\n\
             caused by: no key was accepted for the user `{user}`\n  \
             `HOME/.ssh/id_ed25519` (ED25519 SHA256:id_ed25519): refused\n\
             hint: one of these must be in authorized_keys of `{user}` at `{host}`; `User` in ~/.ssh/config or \
             `USER@{host}` names another user\n"
        )
    };
    door.call_it("web2", "nosuchuser");
    assert_eq!(door.page(&["web2"], 1), page("nosuchuser", "web2"));
    let typed = "nosuchuser@web1";
    assert_eq!(door.page(&[typed], 1), page("nosuchuser", typed));
    door.assert_gets_in(&[&format!("{}@web2", user())]);
}

#[test]
fn a_key_with_a_passphrase_is_not_asked_for_without_a_terminal() {
    let door = known();
    fs::remove_file(door.home.ssh("id_ed25519")).unwrap();
    door.home
        .make_key("ed25519", "id_ed25519", &["-N", "open sesame"]);
    door.server.authorize(&door.home.public());
    assert_eq!(
        door.page(&["web1"], 1),
        format!(
            "error: no SSH connection to `web1`\n\
             caused by: the key `HOME/.ssh/id_ed25519` is accepted for the user `{}`, but it has a passphrase and \
             there is no terminal to ask for it\n\
             hint: `ssh-add HOME/.ssh/id_ed25519` gives it to the agent, unlocked\n",
            user()
        )
    );
    assert!(
        !door.server.log().contains("Accepted publickey"),
        "it was only offered"
    );
}

#[test]
fn an_agent_without_keys_is_told_from_one_that_is_not_there() {
    let door = known();
    for file in ["id_ed25519", "id_ed25519.pub"] {
        fs::remove_file(door.home.ssh(file)).unwrap();
    }
    let socket = door.root.join("agent");
    let with_agent = |more: &[&str]| {
        let args = [&["web1"], more].concat();
        outcome(&args, door.command(&args).env("SSH_AUTH_SOCK", &socket))
    };
    let nobody = door.page_of(&with_agent, 1);
    let at = socket.display();
    assert_eq!(
        nobody,
        format!(
            "error: no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{}`\n  \
             no agent answers at `{at}`\n\
             hint: nobody listens at `{at}`: start an agent anew, or leave SSH_AUTH_SOCK or `IdentityAgent` out\n",
            user()
        )
    );
    let mut agent = Command::new("ssh-agent")
        .args(["-D", "-a"])
        .arg(&socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_until(Duration::from_secs(20), "an agent", || socket.exists());
    let empty = door.page_of(&with_agent, 1);
    assert_eq!(
        empty,
        format!(
            "error: no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{}`\n  \
             the agent at `{at}` has no keys\n\
             hint: `ssh-add FILE` gives a key to the agent\n",
            user()
        )
    );
    // It does what is said.
    generate("ed25519", &door.root.join("key"), &[]);
    door.server.authorize(&sshd::public(&door.root.join("key")));
    run(Command::new("ssh-add")
        .arg(door.root.join("key"))
        .env("SSH_AUTH_SOCK", &socket));
    let outcome = with_agent(&[]);
    outcome.assert_code(3).assert_says("error: no app is set up");
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn without_any_key_it_says_how_to_make_one() {
    let door = known();
    for file in ["id_ed25519", "id_ed25519.pub"] {
        fs::remove_file(door.home.ssh(file)).unwrap();
    }
    assert_eq!(
        door.page(&["web1"], 1),
        format!(
            "error: no SSH connection to `web1`\n\
             caused by: no key was accepted for the user `{0}`\n  \
             there is no key to try\n\
             hint: `ssh-keygen -t ed25519` makes a key, `ssh-copy-id {0}@web1` lets it in\n",
            user()
        )
    );
}
