//! Pages of both colors side by side, before a switch and before a rollback.

use std::fs;
use std::path::PathBuf;

use bluegreen::model::color::Color;

use crate::sandbox::ports::Port;
use crate::sandbox::{Sandbox, set};

/// A route that greets, and one whose text is another each time.
const PAGES: &str = r#"
@app.get("/cart")
def cart():
    return "one shirt"


@app.get("/now")
def now():
    return f"it is {__import__('time').time_ns()}, have a good day"


"#;

/// Commits the app with more routes, and its cart with what `cart` says.
fn commit_with_cart(sandbox: &Sandbox, message: &str, cart: &str) {
    sandbox.commit(message, |repo| {
        let file = repo.join("app.py");
        let text = fs::read_to_string(&file).unwrap();
        let (bare, _) = text.split_once("\n# pages\n").unwrap_or((&text, ""));
        let pages = PAGES.replace("return \"one shirt\"", cart);
        fs::write(file, format!("{bare}\n# pages\n{pages}")).unwrap();
    });
}

/// Has NGINX write down what visitors ask for.
fn write_down(sandbox: &Sandbox) -> PathBuf {
    let log = sandbox.root().join("access.log");
    let conf = sandbox.front.conf();
    let text = fs::read_to_string(&conf).unwrap();
    let line = format!("access_log {};", log.display());
    fs::write(&conf, text.replacen("access_log off;", &line, 1)).unwrap();
    assert!(fs::read_to_string(&conf).unwrap().contains(&line), "{text}");
    sandbox.front.reload();
    log
}

fn visit(sandbox: &Sandbox) {
    for path in [
        "/health",
        "/cart",
        "/now?q=1",
        "/logout",
        "/nowhere",
        "/static/site.css",
        "/now?token=x",
    ] {
        sandbox.get(path);
    }
}

#[test]
fn pages_that_visitors_asked_for_are_held_against_the_live_color() {
    let sandbox = Sandbox::new();
    commit_with_cart(&sandbox, "a cart", "return \"one shirt\"");
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let alone = sandbox.bg(&["compare"]);
    sandbox.assert_five(
        &alone,
        1,
        "green is empty: there is nothing to compare",
        Color::Blue,
    );
    commit_with_cart(&sandbox, "a broken cart", "raise RuntimeError(\"no cart\")");
    sandbox.bg(&["deploy", "--no-switch"]).assert_code(0);

    let list = sandbox.root().join("pages.txt");
    fs::write(&list, "# by hand\n/health\n\n/now\n").unwrap();
    let same = sandbox.bg(&["compare", "--paths", list.to_str().unwrap()]);
    same.assert_code(0);
    assert!(
        same.stdout.starts_with("2 of 2 pages the same on blue ("),
        "{same}"
    );
    fs::write(&list, "cart\n").unwrap();
    sandbox
        .bg(&["compare", "--paths", list.to_str().unwrap()])
        .assert_code(2)
        .assert_says("pages.txt:1: `cart` does not begin with `/`");

    let unwritten = sandbox.bg(&["compare"]);
    sandbox.assert_five(
        &unwritten,
        1,
        "NGINX keeps no access log of this site",
        Color::Blue,
    );
    write_down(&sandbox);
    visit(&sandbox);
    let compared = sandbox.bg(&["compare"]);
    compared.assert_code(1);
    assert!(
        compared.stdout.starts_with("2 of 3 pages the same on blue ("),
        "{compared}"
    );
    assert!(compared.stdout.contains("✗ /cart 200 → 500\n"), "{compared}");
    let answer = sandbox.bg(&["compare", "--last", "1", "--json"]).result()["answer"].take();
    assert_eq!(answer["asked"], 1, "{answer}");
    assert_eq!(sandbox.live_color(), Some(Color::Blue));

    // As a step of a deploy.
    sandbox.configure(|config| set(config, "gate", "compare", 50));
    let refused = sandbox.bg(&["deploy"]);
    sandbox.assert_five(
        &refused,
        1,
        "1 of 4 pages that visitors asked for last fail on green",
        Color::Blue,
    );
    refused.assert_says("/cart 200 → 500");
    let forced = sandbox.bg(&["deploy", "--no-switch", "--force-gate", "the cart is closed"]);
    forced
        .assert_code(0)
        .assert_says("1 of 4 pages that visitors asked for last fail on green");
    let history = sandbox.bg(&["history"]);
    assert!(
        history.stdout.contains("gate forced: the cart is closed"),
        "{history}"
    );
    commit_with_cart(&sandbox, "another cart", "return \"two shirts\"");
    let moved = sandbox.bg(&["deploy"]);
    moved.assert_code(0).assert_says(
        "4 pages compared with the live color, 2 the same: /whoami other text, /cart other text",
    );
    assert_eq!(sandbox.live_color(), Some(Color::Green));
}

#[test]
fn a_rollback_is_rehearsed_through_the_front_door_while_no_visitor_moves() {
    let port = Port::free();
    let sandbox = Sandbox::with(|config| {
        set(config, "nginx", "loopback_port", i64::from(port.number()));
        set(config, "bake", "for", "0s");
    });
    commit_with_cart(&sandbox, "a cart", "return \"one shirt\"");
    sandbox.bg(&["setup"]).assert_code(0);
    sandbox.bg(&["deploy"]).assert_code(0);
    let nothing = sandbox.bg(&["rollback", "--rehearse"]);
    sandbox.assert_five(&nothing, 1, "cannot tell what to roll back to", Color::Blue);
    // A cart that breaks as soon as a file is there: the warm color of then is not that of now.
    let broken = sandbox.root().join("broken");
    let cart = format!(
        "return \"no shirt\" if not __import__('os').path.exists({:?}) or __import__('os').environ['BG_COLOR'] == 'blue' else 1 / 0",
        broken.display().to_string()
    );
    commit_with_cart(&sandbox, "a brittle cart", &cart);
    sandbox.bg(&["deploy"]).assert_code(0);
    commit_with_cart(&sandbox, "a cart", "return \"one shirt\"");
    sandbox.bg(&["deploy"]).assert_code(0);
    assert_eq!(sandbox.live_color(), Some(Color::Blue));
    write_down(&sandbox);
    visit(&sandbox);

    let load = sandbox.load();
    let fine = sandbox.bg(&["rollback", "--rehearse"]);
    fine.assert_code(0);
    assert!(fine.stdout.contains("· /cart other text"), "{fine}");
    let status = sandbox.bg(&["status"]);
    assert!(
        status.stdout.contains("rehearsed ") && status.stdout.contains(" pages fine"),
        "{status}"
    );
    fs::write(&broken, "").unwrap();
    let broken = sandbox.bg(&["rollback", "--rehearse"]);
    broken.assert_code(1);
    assert!(broken.stdout.contains("✗ /cart 200 → 500"), "{broken}");
    let status = sandbox.status();
    assert_eq!(status["rehearsal"]["failed"], 1);
    assert_eq!(status.get("previews"), None);
    let count = load.stop();
    assert_eq!((count.failed, count.by_color.len()), (0, 1), "{count:?}");
    // Nobody was given a link, so nobody's cookie is waited for.
    assert!(!sandbox.link_folder().join("blue/is-special").exists());
    let history = sandbox.bg(&["history"]);
    assert!(history.stdout.contains("rollback rehearsed: "), "{history}");
    sandbox.bg(&["rollback"]).assert_code(0);
    assert_eq!(sandbox.status().get("rehearsal"), None);

    sandbox.bg(&["maintenance", "on"]).assert_code(0);
    sandbox
        .bg(&["rollback", "--rehearse"])
        .assert_code(1)
        .assert_says("the maintenance page is up");
}
