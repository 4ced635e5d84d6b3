//! How is a process told to come to an end? SIGINT, SIGTERM and SIGHUP, as a word to whoever asked for it.

use tokio::signal::unix::{SignalKind, signal};

/// From now on the first of these signals is told in place of being the end.
pub fn on_signal(told: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let entered = runtime.enter();
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut hangup = signal(SignalKind::hangup())?;
    drop(entered);
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                _ = hangup.recv() => {}
            }
        });
        told();
    });
    Ok(())
}
