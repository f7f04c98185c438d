//! What a program prints, as far as it is kept.

use tokio::io::{AsyncRead, AsyncReadExt};

/// Output past this is dropped from the front: 16 MiB, far above any `nginx -T` or
/// `pm2 jlist` seen, far below what a small machine has.
const OUTPUT_LIMIT: usize = 16 << 20;

/// How much more is let come before it is dropped, so that not all of it is moved for every piece.
const SLACK: usize = 1 << 20;

/// All that `stream` has, or the end of it.
pub(super) async fn read_capped(stream: Option<impl AsyncRead + Unpin>) -> String {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        let mut piece = vec![0; 64 << 10];
        while let Ok(count @ 1..) = stream.read(&mut piece).await {
            kept.extend(piece.iter().take(count));
            if kept.len() > OUTPUT_LIMIT + SLACK {
                kept.drain(..kept.len() - OUTPUT_LIMIT);
            }
        }
    }
    let kept = kept.split_off(kept.len().saturating_sub(OUTPUT_LIMIT));
    String::from_utf8(kept).unwrap_or_else(|odd| String::from_utf8_lossy(odd.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use crate::command::output::*;

    #[tokio::test]
    async fn of_output_without_an_end_the_end_is_kept() {
        let much = tokio::io::repeat(b'x').take(3 * OUTPUT_LIMIT as u64 + 7);
        let kept = read_capped(Some(much.chain(&b"the end \xff"[..]))).await;
        assert!(kept.ends_with("xthe end \u{fffd}"));
        assert!(kept.len() <= OUTPUT_LIMIT + 2, "{}", kept.len());
    }
}
