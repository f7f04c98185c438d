//! Other ports in `bg.toml`: what is live goes on being found.

use bluegreen::model::color::Color;

use crate::load::{Kind, Load};
use crate::recovery::scene::{answering, two_releases};
use crate::sandbox::ports::Port;
use crate::sandbox::{HOST, Sandbox, set};

fn give(sandbox: &Sandbox, color: Color, port: &Port) {
    sandbox.configure(|config| {
        let process = config["process"].as_table_mut().unwrap();
        let mut ports = process["ports"].clone();
        ports
            .as_table_mut()
            .unwrap()
            .insert(color.name().to_owned(), i64::from(port.number()).into());
        set(config, "process", "ports", ports);
    });
}

#[test]
fn ports_change_one_color_after_the_other_and_no_request_is_lost() {
    let sandbox = Sandbox::deployed();
    let (first, _) = two_releases(&sandbox);
    let (blue, green) = (Port::free(), Port::free());
    // `bg setup` reloads NGINX, which may cost a connection that is kept its next request.
    let load = Load::start(
        sandbox.address(),
        HOST,
        &[(Kind::FreshGet, 2), (Kind::FreshPost, 2)],
    );

    let before = std::fs::read_to_string(sandbox.config()).unwrap();
    give(&sandbox, Color::Green, &green);
    let setup = sandbox.bg(&["setup"]);
    sandbox.assert_five(&setup, 3, "no request would reach it", Color::Green);
    setup.assert_says("leave green its port, change that of blue");
    std::fs::write(sandbox.config(), before).unwrap();

    give(&sandbox, Color::Blue, &blue);
    sandbox.bg(&["setup"]).assert_code(0);
    let status = sandbox.status();
    assert_eq!(status["slots"][0]["health"]["state"], "unhealthy", "{status}");
    assert_eq!(status["rollback"]["state"], "nothing", "{status}");
    let number = blue.number().to_string();
    for back in [&["rollback"][..], &["switch", "blue"]] {
        let back = sandbox.bg(back);
        sandbox.assert_five(
            &back,
            1,
            &format!("NGINX asks for blue on {number}"),
            Color::Green,
        );
    }
    assert_eq!(
        answering(&sandbox, Color::Blue).as_deref(),
        Some(first.as_str()),
        "it was touched"
    );

    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    assert_eq!(answering(&sandbox, Color::Blue), None, "the old one is gone");
    give(&sandbox, Color::Green, &green);
    sandbox.bg(&["setup"]).assert_code(0);
    let older = sandbox.bg(&["rollback", "--to", first.as_str()]);
    sandbox.assert_five(&older, 1, "listens on", Color::Blue);
    sandbox.bg(&["deploy"]).assert_code(0);
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    let count = load.stop();
    assert_eq!(count.failed, 0, "{count:?}");
}
