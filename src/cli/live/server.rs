use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::JoinHandle,
    time::Duration,
};

use tokio::{runtime::Builder, sync::watch, time};

use super::{
    address::LiveAddress,
    board::Board,
    events::Readers,
    routes::{Served, router},
    view::View,
};

/// Between two looks at what there is to tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long pages may take to read the end.
const PARTING: Duration = Duration::from_secs(2);

/// The page, served until [`LivePage::end`].
pub(in crate::cli) struct LivePage {
    addr: SocketAddr,
    end: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl LivePage {
    /// Serves `board` at `address`, on a thread of its own.
    ///
    /// # Errors
    /// The address is not to be had.
    pub fn open(address: &LiveAddress, board: Arc<Board>) -> io::Result<Self> {
        let listener = TcpListener::bind(address.addr())?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (end, ended) = watch::channel(false);
        let address = address.clone();
        let thread = std::thread::Builder::new()
            .name("live".to_owned())
            .spawn(move || runtime.block_on(serve(listener, address, board, ended)))?;
        Ok(Self { addr, end, thread })
    }

    /// Where it is.
    pub fn url(&self) -> String {
        format!("http://{}/", self.addr)
    }

    /// Tells the pages what is on the board now, and lets them go. Not to be called inside of a runtime.
    pub fn end(self) {
        self.end.send_replace(true);
        let _ = self.thread.join();
    }
}

async fn serve(
    listener: TcpListener,
    address: LiveAddress,
    board: Arc<Board>,
    mut ended: watch::Receiver<bool>,
) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let readers = Readers::default();
    let (tell, views) = watch::channel(None);
    let served = Served {
        address,
        board: board.clone(),
        views,
        readers: readers.clone(),
    };
    let mut parting = ended.clone();
    let server = axum::serve(listener, router(served)).with_graceful_shutdown(async move {
        let _ = parting.wait_for(|ended| *ended).await;
    });
    let looks = async {
        let mut every = time::interval(LOOK_EVERY);
        every.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = every.tick() => if readers.are_there() { look(&board, &tell) },
                _ = ended.wait_for(|ended| *ended) => break,
            }
        }
        look(&board, &tell);
        time::sleep(PARTING).await;
    };
    tokio::select! {
        served = server => if let Err(error) = served {
            tracing::warn!("the live page is not served any more: {error}");
        },
        () = looks => {}
    }
}

/// Hands the newest view on, if it is a new one.
fn look(board: &Board, tell: &watch::Sender<Option<Arc<View>>>) {
    let view = board.view();
    tell.send_if_modified(|told| {
        let is_new = view.as_ref().map(|view| view.number) != told.as_ref().map(|view| view.number);
        if is_new {
            *told = view;
        }
        is_new
    });
}
