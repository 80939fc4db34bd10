//! The events of one kind, with pauses after errors.

use std::{fmt::Debug, time::Duration};

use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use kube::{
    Api, Resource,
    runtime::watcher::{Config, Error, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

/// The first pause after an error. A restarted API server is back within seconds, and missed changes must be seen soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Returns the events of one kind, beginning with its list. After an error the list comes again.
pub(super) fn events<K>(api: Api<K>, config: Config) -> BoxStream<'static, Result<Event<K>, Error>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let watch = ReopenedWatch { api, config, streaming: true, open: None, pauses: Pauses::default(), pause: None };
    let next = |mut watch: ReopenedWatch<K>| async move {
        let event = watch.next().await;
        Some((event, watch))
    };
    stream::unfold(watch, next).boxed()
}

/// A watch that is opened anew after an error. kube would resume it instead, in silence until something changes, so that
/// nobody could tell whether it works again.
struct ReopenedWatch<K> {
    api: Api<K>,
    config: Config,
    /// Whether lists are streamed: one request. It needs Kubernetes 1.32 or the feature gate `WatchList`; without it a
    /// list and a watch are two requests.
    streaming: bool,
    open: Option<BoxStream<'static, Result<Event<K>, Error>>>,
    pauses: Pauses,
    /// The pause before the watch is opened.
    pause: Option<Duration>,
}

impl<K> ReopenedWatch<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    async fn next(&mut self) -> Result<Event<K>, Error> {
        loop {
            if let Some(pause) = self.pause.take() {
                tokio::time::sleep(pause).await;
            }
            let open = self.open.get_or_insert_with(|| open(&self.api, &self.config, self.streaming));
            // A watcher does not end.
            let event = open.next().await.unwrap_or(Err(Error::NoResourceVersion));
            let Err(error) = &event else { return event };
            self.open = None;
            if self.streaming && matches!(code(error), Some(400 | 422)) {
                self.streaming = false;
                continue;
            }
            self.pause = Some(self.pauses.next());
            return event;
        }
    }
}

fn open<K>(api: &Api<K>, config: &Config, streaming: bool) -> BoxStream<'static, Result<Event<K>, Error>>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let config = config.clone();
    let config = if streaming { config.streaming_lists() } else { config.any_semantic() };
    watcher(api.clone(), config).boxed()
}

fn code(error: &Error) -> Option<u16> {
    match error {
        Error::InitialListFailed(kube::Error::Api(status))
        | Error::WatchStartFailed(kube::Error::Api(status))
        | Error::WatchFailed(kube::Error::Api(status))
        | Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// The pauses after errors of a watch. They double, and start again from the shortest only after a while without
/// errors: one good answer does not prove a healthy API server.
#[derive(Default)]
struct Pauses {
    last: Option<(Instant, Duration)>,
}

impl Pauses {
    fn next(&mut self) -> Duration {
        let calm = LONGEST_PAUSE * 5;
        let pause = match self.last {
            Some((at, pause)) if at.elapsed() < calm => (pause * 2).min(LONGEST_PAUSE),
            _ => FIRST_PAUSE,
        };
        self.last = Some((Instant::now(), pause));
        pause
    }
}
