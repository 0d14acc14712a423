use std::os::unix::net::UnixListener as StdListener;

use tempfile::TempDir;

use super::*;

fn connections() -> (mpsc::Sender<io::Result<UnixStream>>, mpsc::Receiver<io::Result<UnixStream>>) {
    mpsc::channel(1)
}

/// Upstream: TestSetupAndServe, which waits a second for a socket that nobody has.
#[tokio::test]
async fn a_bound_socket_hands_its_connections_on_and_goes_with_its_owner() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a.sock");
    let (sender, mut receiver) = connections();
    let endpoint = Endpoint::bind(&path, sender).unwrap();
    assert!(endpoint.is_intact());
    let _client = UnixStream::connect(&path).await.unwrap();
    receiver.recv().await.unwrap().unwrap();
    endpoint.remove();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dead_socket_is_replaced() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a.sock");
    drop(StdListener::bind(&path).unwrap());
    assert!(path.exists());
    assert!(Endpoint::bind(&path, connections().0).unwrap().is_intact());
}

#[tokio::test]
async fn a_live_socket_is_left_alone() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a.sock");
    let other = StdListener::bind(&path).unwrap();
    let error = Endpoint::bind(&path, connections().0).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("socket {} is already in use by another plugin", path.display())
    );
    drop(UnixStream::connect(&path).await.unwrap());
    drop(other);
}

#[tokio::test]
async fn a_socket_with_a_full_queue_is_live() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a.sock");
    let listener =
        socket::socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).unwrap();
    socket::bind(listener.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    socket::listen(&listener, socket::Backlog::new(1).unwrap()).unwrap();
    let waiting: Vec<_> =
        (0..2).map(|_| std::os::unix::net::UnixStream::connect(&path).unwrap()).collect();
    assert!(matches!(Endpoint::bind(&path, connections().0), Err(BindError::InUse(_))));
    drop(waiting);
}

#[tokio::test]
async fn what_is_no_socket_is_left_alone() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a.sock");
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Endpoint::bind(&path, connections().0), Err(BindError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
}

#[tokio::test]
async fn another_ones_socket_is_not_removed() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a.sock");
    let ours = Endpoint::bind(&path, connections().0).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(!ours.is_intact());
    let theirs = StdListener::bind(&path).unwrap();
    assert!(!ours.is_intact());
    ours.remove();
    assert!(path.exists());
    drop(theirs);
}

#[tokio::test]
async fn a_lock_on_the_directory_is_respected_and_named() {
    let temp = TempDir::new().unwrap();
    let path = temp.path().join("a.sock");
    let lock = File::open(temp.path()).unwrap();
    lock.lock().unwrap();
    let error = Endpoint::bind(&path, connections().0).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("directory {} is locked by another process", temp.path().display())
    );
    drop(lock);
    Endpoint::bind(&path, connections().0).unwrap();
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let error = Endpoint::bind(Path::new("/nonexistent/a.sock"), connections().0).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent: "), "{error}");
}
