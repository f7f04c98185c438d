//! What NGINX answers in the app's place.

use crate::probe_traffic::tests::*;

#[tokio::test]
async fn what_nginx_answers_itself_is_no_loss_and_told() {
    for status in ["503 Slower", "429 Slower", "401 Who"] {
        let (server, asked) = counting(move |number, _, head| {
            let own = number % 2 == 0;
            Some(match own {
                true => answer(head, status, ""),
                false => answer(head, "200 OK", NEW),
            })
        })
        .await;
        let counted = count(evidence(server.address), &asked, 20, || {}).await;
        assert_eq!((counted.failed, counted.failures.len()), (0, 0), "{counted:?}");
        assert_eq!(counted.by_nginx.len(), 1, "{counted:?}");
        let words = format!(
            "answered {} by NGINX itself before it asked a color",
            &status[..3]
        );
        assert!(counted.by_nginx[0].starts_with(&words), "{counted:?}");
        assert!(counted.sent < asked.load(Ordering::SeqCst) as u64, "{counted:?}");
    }
    // A slot that says so is one that fails.
    let (server, asked) = counting(|_, _, head| Some(answer(head, "503 Away", NEW))).await;
    let counted = count(evidence(server.address), &asked, 5, || {}).await;
    assert_eq!(counted.failed, counted.sent, "{counted:?}");
}

#[tokio::test]
async fn no_more_is_asked_than_a_limit_lets_through() {
    let (server, asked) = counting(|_, _, head| Some(answer(head, "200 OK", NEW))).await;
    let mut evidence = evidence(server.address);
    let every = Duration::from_millis(100);
    evidence.endpoint.pace = Some(Pace::below(every, 10));
    let begun = Instant::now();
    let counted = evidence.start().unwrap().finish().await;
    assert_eq!(counted.failed, 0, "{counted:?}");
    let most = 10 + begun.elapsed().as_millis() / every.as_millis();
    assert!(
        counted.sent > 0 && u128::from(counted.sent) <= most,
        "{counted:?}"
    );
    assert_eq!(counted.sent, asked.load(Ordering::SeqCst) as u64);
}
