//! Requests to servers that stop answering without closing the connection. Real connections, with short limits.

use std::{pin::pin, time::Instant};

use futures::{AsyncReadExt as _, StreamExt};
use http::{Request, header};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{LogParams, WatchParams},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::sleep,
};

use super::*;

const READ: Duration = Duration::from_millis(200);
/// Far longer than any limit of these tests.
const LONG: Duration = Duration::from_secs(600);
/// Bound on a request that ends by its limit, on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// Returns a client of a server that handles each connection so, once it has read a request. Connections are numbered
/// from 0.
async fn client_of<F>(serve: impl Fn(usize, TcpStream) -> F + Send + 'static) -> Client
where
    F: Future<Output = ()> + Send + 'static,
{
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        for number in 0.. {
            let (mut connection, _) = listener.accept().await.unwrap();
            read_request(&mut connection).await;
            tokio::spawn(serve(number, connection));
        }
    });
    let limits = TimeLimits { connect: SOON, read: READ, write: READ, watch_margin: READ };
    connect(Config::new(url.parse().unwrap()), limits).unwrap()
}

async fn read_request(connection: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(connection.read_u8().await.unwrap());
    }
}

async fn send(connection: &mut TcpStream, text: &str) {
    connection.write_all(text.as_bytes()).await.unwrap();
}

fn pods(client: Client) -> Api<Pod> {
    Api::namespaced(client, "pr-1")
}

#[tokio::test]
async fn silent_server_fails_a_request_in_time_and_the_next_one_works() {
    let client = client_of(|number, mut connection| async move {
        if number == 0 {
            sleep(LONG).await;
        }
        let body = r#"{"major":"1","minor":"34","gitVersion":"v1","gitCommit":"","gitTreeState":"","buildDate":"",
            "goVersion":"","compiler":"","platform":""}"#;
        send(&mut connection, &format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
    })
    .await;
    let begun = Instant::now();
    let error = client.apiserver_version().await.unwrap_err();
    assert!(error.to_string().contains("no answer within 0.2 s"), "{error}");
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
    assert_eq!(client.apiserver_version().await.unwrap().minor, "34");
}

#[tokio::test]
async fn response_that_stops_half_way_is_an_error_in_time() {
    let client = client_of(|_, mut connection| async move {
        send(&mut connection, "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"major\":").await;
        sleep(LONG).await;
    })
    .await;
    let answer = tokio::time::timeout(SOON, client.apiserver_version()).await.expect("ends by its limit");
    answer.unwrap_err();
}

#[tokio::test]
async fn watch_that_outlives_its_end_is_an_error_in_time() {
    let client = client_of(|_, mut connection| async move {
        let event = r#"{"type":"ADDED","object":{"metadata":{"name":"web","resourceVersion":"1"}}}"#;
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        send(&mut connection, &format!("{head}{:x}\r\n{event}\n\r\n", event.len() + 1)).await;
        sleep(LONG).await;
    })
    .await;
    let params = WatchParams::default().timeout(1);
    let begun = Instant::now();
    let mut events = pin!(pods(client).watch(&params, "0").await.unwrap());
    events.next().await.unwrap().unwrap();
    let silence = tokio::time::timeout(SOON, events.next()).await.expect("ends by its limit");
    silence.unwrap().unwrap_err();
    assert!(begun.elapsed() >= Duration::from_secs(1), "not before the server had to end it: {:?}", begun.elapsed());
}

#[tokio::test]
async fn followed_log_may_be_silent() {
    let client = client_of(|_, mut connection| async move {
        send(&mut connection, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nfirst\n").await;
        sleep(READ * 5).await;
        send(&mut connection, "second\n").await;
    })
    .await;
    let params = LogParams { follow: true, ..LogParams::default() };
    let mut log = String::new();
    pods(client).log_stream("web", &params).await.unwrap().read_to_string(&mut log).await.unwrap();
    assert_eq!(log, "first\nsecond\n");
}

#[tokio::test]
async fn upgraded_connection_may_be_silent() {
    let client = client_of(|_, mut connection| async move {
        send(&mut connection, "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n").await;
        sleep(READ * 5).await;
        send(&mut connection, "still there").await;
    })
    .await;
    let request = Request::get("/portforward").header(header::CONNECTION, "upgrade").header(header::UPGRADE, "test");
    let answer = client.send(request.body(Body::empty()).unwrap()).await.unwrap();
    let mut upgraded = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    let mut text = String::new();
    upgraded.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "still there");
}
