//! How fast could a server be at all? Ready answers on the same HTTP stack: the limit that figures are divided by, and
//! used by nothing but measurements.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Response, StatusCode, header};
use axum::routing::get;
use chancery_ledger::{Code, Error};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;

/// An answer that is there before anybody asks.
#[derive(Debug, Clone)]
pub struct ReadyAnswer {
    /// Path of its route.
    pub path: &'static str,
    /// Its status.
    pub status: u16,
    /// Its entity tag.
    pub tag: Option<String>,
    /// Its body, of the media type `application/json`.
    pub body: Vec<u8>,
}

fn response(answer: &ReadyAnswer, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let headers = response.headers_mut();
    if answer.status != 304 {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Some(tag) = answer.tag.as_ref().and_then(|tag| HeaderValue::from_str(tag).ok()) {
        headers.insert(header::ETAG, tag);
    }
    response
}

/// Gives ready answers on a free port of the loopback, by as many threads as [`crate::serve`] has. It ends when `until`
/// returns; `ready` is told where it listens.
pub fn bare(
    answers: &[ReadyAnswer],
    ready: impl FnOnce(SocketAddr),
    until: impl FnOnce() + Send + 'static,
) -> Result<(), Error> {
    let failed = |error: std::io::Error| Error {
        code: Code::Io,
        message: "cannot serve ready answers".to_owned(),
        source: Some(Box::new(error)),
    };
    let routes = answers.iter().fold(Router::new(), |router, answer| {
        let (answer, body) = (answer.clone(), Bytes::from(answer.body.clone()));
        router.route(answer.path, get(move || std::future::ready(response(&answer, body.clone()))))
    });
    let service = TowerToHyperService::new(routes);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    std::thread::spawn(move || {
        until();
        drop(end);
    });
    runtime.block_on(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        ready(listener.local_addr().map_err(failed)?);
        let accepting = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let _ = socket.set_nodelay(true);
                let service = service.clone();
                tokio::spawn(async move {
                    let http = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .header_read_timeout(Duration::from_secs(60))
                        .serve_connection(TokioIo::new(socket), service);
                    // Whoever hangs up has what it wanted.
                    let _ = http.await;
                });
            }
        });
        let _ = ended.await;
        accepting.abort();
        Ok(())
    })
}
