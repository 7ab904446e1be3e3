//! The workloads by name, and the peers that support them.

mod echo;
mod flood;
mod frames;
mod sleeps;
mod spawn;
mod wake;
mod yields;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::measure::Figure;
use crate::peers::{self, Io, Peer, Tasks};

pub use echo::{ALONE, BUSY, IDLE, LARGE};
pub use flood::{BYTE, THREAD, TIMER, most};
pub use sleeps::{ACCURATE, MANY};
pub use spawn::{BATCH, SINGLE};
pub use yields::{HUNDRED, ONE};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Begin a task that is ready at once, and wait for it: CPU time per task
    Spawn,
    /// Tasks that wake themselves: CPU time per yield
    Yield,
    /// Another thread wakes a task: wall time
    Wake,
    /// Timers: their CPU time, and how late they are
    Timers,
    /// A TCP server: time per request, as the client sees it and of the CPU
    Echo,
    /// A timer of 16 ms beside eight downloads: how late it is
    Frames,
    /// An event beside 10,000 tasks that never rest: how many of them run before it
    Flood,
}

impl Workload {
    /// Returns the reason why this peer is not measured.
    pub fn refuses(self, peer: Peer) -> Option<&'static str> {
        match (self, peer) {
            (Workload::Spawn | Workload::Yield | Workload::Wake, _) => None,
            (_, Peer::Qmetaobject) => Some("has none"),
            (_, Peer::SmolGlobal) => Some("as smol"),
            _ => None,
        }
    }

    pub fn measure(self, peer: Peer) -> Vec<Figure> {
        match peer {
            Peer::Qtloop => self.measure_io(&peers::Qtloop::new()),
            Peer::Smol => self.measure_io(&peers::Smol::new()),
            Peer::Tokio => self.measure_io(&peers::Tokio::new()),
            Peer::Glib => self.measure_io(&peers::Glib::new()),
            Peer::SmolGlobal => self.measure_tasks(&peers::SmolGlobal::new()),
            Peer::Qmetaobject => self.measure_tasks(&peers::Qmetaobject::new()),
        }
    }

    fn measure_io<P: Io>(self, peer: &P) -> Vec<Figure> {
        match self {
            Workload::Timers => sleeps::measure(peer),
            Workload::Echo => echo::measure(peer),
            Workload::Frames => frames::measure(peer),
            Workload::Flood => flood::measure(peer),
            Workload::Spawn | Workload::Yield | Workload::Wake => self.measure_tasks(peer),
        }
    }

    fn measure_tasks<P: Tasks>(self, peer: &P) -> Vec<Figure> {
        match self {
            Workload::Spawn => spawn::measure(peer),
            Workload::Yield => yields::measure(peer),
            Workload::Wake => wake::measure(peer),
            Workload::Timers | Workload::Echo | Workload::Frames | Workload::Flood => Vec::new(),
        }
    }
}
