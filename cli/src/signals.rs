//! How is a command told to come to an end? SIGINT and SIGTERM, as a request that is looked at between two steps.

use crate::diagnostic::Diagnostic;
use crate::patience::Stop;
use chancery_ledger::{Code, Error};
use tokio::signal::unix::{SignalKind, signal};

/// From now on a signal asks for the end in place of being it.
pub(crate) fn listen() -> Result<Stop, Diagnostic> {
    let failed = |error: std::io::Error| Error {
        code: Code::Io,
        message: "cannot listen for signals".to_owned(),
        source: Some(Box::new(error)),
    };
    let stop = Stop::default();
    let asked = stop.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(failed)?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        asked.ask();
    });
    Ok(stop)
}
