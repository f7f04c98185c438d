//! One websocket, open for as long as the other side lets it be.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bluegreen::model::color::Color;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Errand, PATIENCE, Site};

type Fault = Box<dyn Error + Send + Sync>;

/// Between an echo and the next message.
const PAUSE: Duration = Duration::from_millis(50);

/// Says something and waits for its echo, again and again; opens another when one has ended.
pub async fn talk(errand: Arc<Errand>) {
    while errand.goes_on() {
        let began = Instant::now();
        match tokio::time::timeout(PATIENCE, open(&errand.site)).await {
            Ok(Ok(socket)) => {
                errand.with_record(|record| record.sockets.opened += 1);
                talk_on(socket, &errand).await;
            }
            Ok(Err(error)) => errand.note("websocket", began, Err(format!("websocket: {error}"))),
            Err(_) => errand.note("websocket", began, Err("websocket: it does not open".into())),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn talk_on(mut socket: WebSocketStream<TcpStream>, errand: &Errand) {
    let mut at_first = None;
    let mut number = 0_u64;
    while errand.goes_on() {
        number += 1;
        let sent = Instant::now();
        let echo = tokio::time::timeout(PATIENCE, echo(&mut socket, &number.to_string())).await;
        let outcome = match echo {
            Ok(echo) => echo.map_err(|error| format!("websocket: {error}")),
            Err(_) => Err("websocket: no echo".into()),
        };
        let color = outcome.as_ref().ok().copied();
        errand.note("websocket", sent, outcome);
        let Some(color) = color else {
            errand.with_record(|record| record.sockets.closed += 1);
            return;
        };
        if *at_first.get_or_insert(color) != color {
            errand.with_record(|record| record.sockets.moved += 1);
            at_first = Some(color);
        }
        tokio::time::sleep(PAUSE).await;
    }
    socket.close(None).await.ok();
}

async fn echo(socket: &mut WebSocketStream<TcpStream>, word: &str) -> Result<Color, Fault> {
    socket.send(Message::text(word)).await?;
    let said = socket.next().await.ok_or("it was closed")??;
    let Message::Text(said) = said else {
        return Err("it was closed".into());
    };
    let (color, echo) = said.split_once(' ').ok_or("no color in front of the echo")?;
    if echo != word {
        return Err("another echo".into());
    }
    Ok(color.parse()?)
}

async fn open(site: &Site) -> Result<WebSocketStream<TcpStream>, Fault> {
    let stream = TcpStream::connect(site.plain).await?;
    stream.set_nodelay(true)?;
    let (socket, _) = client_async(format!("ws://{}/echo", site.host), stream).await?;
    Ok(socket)
}
