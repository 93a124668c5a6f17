//! How many calls came to the desk, by method and by how they were answered.

use std::pin::Pin;
use std::task::{Context, Poll};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tonic::Code;
use tonic::codegen::http::{Request, Response};
use tower::{Layer, Service};

const STATUS: &str = "grpc-status";

/// Counts of one process, over all its desks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls(Family<Vec<(&'static str, String)>, Counter>);

impl Calls {
    /// Has them told with other figures.
    pub(crate) fn register(&self, figures: &mut Registry) {
        let help = "Calls to the desk since the start, by method and answer";
        figures.register("fengqiao_grpc_calls", help, self.0.clone());
    }

    fn count(&self, path: &str, code: Code) {
        // What nobody serves is whatever a caller made up: it names no series.
        let method = if code == Code::Unimplemented {
            "unknown"
        } else {
            path.trim_start_matches('/')
        };
        let code = format!("{code:?}");
        let labels = vec![("method", method.to_owned()), ("code", code)];
        self.0.get_or_create(&labels).inc();
    }
}

impl<S> Layer<S> for Calls {
    type Service = Counted<S>;

    fn layer(&self, served: S) -> Counted<S> {
        Counted {
            served,
            calls: self.clone(),
        }
    }
}

/// A service whose answers are counted.
#[derive(Debug, Clone)]
pub(crate) struct Counted<S> {
    served: S,
    calls: Calls,
}

impl<S, B, R> Service<Request<B>> for Counted<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.served.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (calls, path) = (self.calls.clone(), request.uri().path().to_owned());
        let answered = self.served.call(request);
        Box::pin(async move {
            let answer = answered.await;
            if let Ok(answer) = &answer {
                // A refusal has no message, so that its status stands in the head; else the message follows.
                let status = answer.headers().get(STATUS);
                let code = status.map_or(Code::Ok, |status| Code::from_bytes(status.as_bytes()));
                calls.count(&path, code);
            }
            answer
        })
    }
}
