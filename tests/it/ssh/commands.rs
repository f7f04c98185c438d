//! Commands on an open connection.

use super::*;

#[tokio::test]
async fn a_command_gets_its_words_and_tells_its_outputs_and_its_end() {
    let scene = Scene::new();
    let connection = scene.connect().await.unwrap();
    assert_eq!(connection.user(), user());
    let script = r#"printf '%s|' "$@"; echo oops >&2; exit 7"#;
    let words = ["sh", "-c", script, "sh", "a b", "", "'\"$HOME`id`", "ü\n*"];
    let story = run(&connection, &words).await;
    assert_eq!(story.stdout, "a b||'\"$HOME`id`|ü\n*|");
    assert_eq!(story.stderr, "oops\n");
    assert!(matches!(story.end, Chunk::Exit(7)), "{story:?}");
    connection.close().await;
}
