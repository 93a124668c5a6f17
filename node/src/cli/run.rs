//! `fengqiao run`: opens the folders, serves until told to stop, and reads its configuration again when asked to.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::ground::{Failed, Ground, bar, clock_of, load};
use crate::config::Config;
use crate::host::Host;
use crate::log;
use crate::node::opening::Opener;
use crate::node::pool::Pool;

/// `run`
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE", env = "FENGQIAO_CONFIG")]
    config: Option<PathBuf>,
    /// A configuration value, such as link.listen=0.0.0.0:7443; may be given often
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Threads that run engines; 0 chooses by the number of hosted places
    #[arg(long, default_value_t = 0)]
    workers: usize,
    /// Read the clock from a file instead of the machine (for demonstrations)
    #[arg(long, hide = true)]
    clock: Option<PathBuf>,
    /// Run only while standard input is open: it closes with whoever started this, however that one ends (for
    /// demonstrations)
    #[arg(long, hide = true)]
    while_stdin: bool,
}

/// Keys that are followed while the process runs; every other one is read at the start only.
const FOLLOWED: [&str; 2] = ["link.parent_address", "log.filter"];

/// Runs the node, or all nodes, of a data folder until told to stop.
///
/// # Errors
/// The configuration, a folder or a port is refused.
pub(super) fn run(args: &RunArgs, ground: &Ground) -> Result<(), Failed> {
    let config = load(args.config.as_ref(), &args.set, ground)?;
    log::begin(&config.log);
    let served = serve(args, ground, config);
    log::close();
    served
}

fn serve(args: &RunArgs, ground: &Ground, config: Config) -> Result<(), Failed> {
    config.check_ports_differ()?;
    let nodes = config.places.host.len().max(1);
    let workers = if args.workers > 0 {
        args.workers
    } else {
        nodes.min(8)
    };
    let opener = Opener {
        clock: clock_of(args.clock.as_ref()),
        pool: Pool::start(workers).map_err(anyhow::Error::new)?,
        chains_held_max: if nodes > 1 { 64 } else { 1_024 },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_stack_size(1 << 20)
        .enable_all()
        .build()
        .map_err(anyhow::Error::new)?;
    // From here on a hang-up ends nothing, however long opening takes; to stop still ends at once what only reads.
    let hang_up = {
        let _inside = runtime.enter();
        signal(SignalKind::hangup()).map_err(anyhow::Error::new)?
    };
    let bar = bar();
    let mut progress = |what: &str, done: u64, total: u64| {
        bar.set_length(total);
        bar.set_position(done);
        bar.set_message(what.to_owned());
    };
    let host = Arc::new(Host::open(config, &opener, &mut progress)?);
    bar.finish_and_clear();
    runtime.block_on(async {
        let stop = watch::Sender::new(false);
        let signals = Signals::listen(hang_up).map_err(anyhow::Error::new)?;
        let (stopping, hosting) = (stop.clone(), Arc::clone(&host));
        let again = {
            let (file, set, ground) = (args.config.clone(), args.set.clone(), ground.clone());
            move || load(file.as_ref(), &set, &ground)
        };
        tokio::spawn(async move {
            signals.obey(&hosting, &again).await;
            stopping.send_replace(true);
        });
        if args.while_stdin {
            let starter = stop.clone();
            std::thread::spawn(move || {
                // Nothing is said there; it ends when whoever holds the other end does.
                let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
                starter.send_replace(true);
            });
        }
        host.serve(stop.subscribe()).await
    })?;
    Ok(())
}

/// What the process is told from outside.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen(hang_up: Signal) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up,
        })
    }

    /// Reads the configuration again at each hang-up; returns when the process is to stop.
    async fn obey(mut self, host: &Host, again: &impl Fn() -> Result<Config, Failed>) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hang_up.recv() => reload(host, again()),
            }
        }
    }
}

/// Follows what can be followed without a restart, and says which other keys wait for one.
fn reload(host: &Host, read: Result<Config, Failed>) {
    let config = match read {
        Ok(config) => config,
        Err(failed) => {
            let (code, why) = (failed.code, failed.english);
            tracing::error!(
                code,
                why,
                "the configuration was refused; the present one stays"
            );
            return;
        }
    };
    let (followed, after_restart): (Vec<_>, Vec<_>) = host
        .config()
        .differing(&config)
        .into_iter()
        .partition(|key| FOLLOWED.contains(&key.as_str()));
    log::change_filter(&config.log);
    host.dial_parent_at(config.link.parent_address.clone());
    tracing::info!(
        ?followed,
        ?after_restart,
        "the configuration was read again"
    );
}
