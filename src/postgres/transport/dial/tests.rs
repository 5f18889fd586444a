use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{DialError, Dialed, Target, dial};
use crate::postgres::transport::socket::Socket;

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

fn target(host: &str, port: u16) -> Target {
    Target { host: host.to_owned(), port, receive_buffer: Some(64 << 10), timeout: Duration::from_secs(5) }
}

/// The name has an address for each family on most machines; only one of them has a listener.
#[test]
fn tcp_by_name() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let target = target("localhost", port);
        let (dialed, accepted) = tokio::join!(dial(&target), listener.accept());
        let Dialed { mut stream, round_trip } = dialed.unwrap();
        assert!(round_trip.is_some_and(|time| time < Duration::from_secs(5)));
        assert!(!stream.is_unix());
        let Socket::Tcp(tcp) = &stream else { panic!() };
        assert!(tcp.nodelay().unwrap());
        // A dead network is found by the kernel, within two minutes.
        let options = socket2::SockRef::from(tcp);
        assert!(options.keepalive().unwrap());
        let probed = options.tcp_keepalive_interval().unwrap() * options.tcp_keepalive_retries().unwrap();
        assert!(options.tcp_keepalive_time().unwrap() + probed <= Duration::from_mins(2));
        #[cfg(target_os = "linux")]
        assert!(options.tcp_user_timeout().unwrap().is_some_and(|time| time <= Duration::from_mins(2)));
        let (mut peer, _) = accepted.unwrap();
        stream.write_all(b"ping").await.unwrap();
        let mut got = [0; 4];
        peer.read_exact(&mut got).await.unwrap();
        assert_eq!(&got, b"ping");
        drop(peer);
        assert_eq!(stream.read(&mut got).await.unwrap(), 0);
        stream.shutdown().await.unwrap();
    });
}

#[test]
fn refused_and_unknown() {
    run(async {
        let closed = {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.local_addr().unwrap().port()
        };
        let error = dial(&target("127.0.0.1", closed)).await.unwrap_err();
        assert!(
            matches!(&error, DialError::Connect { address, .. } if *address == format!("127.0.0.1:{closed}"))
        );
        let error = dial(&target("name.invalid", 1)).await.unwrap_err();
        assert!(matches!(&error, DialError::Resolve { host, .. } if host == "name.invalid"), "{error}");
    });
}

#[cfg(unix)]
#[test]
fn unix_socket() {
    run(async {
        let folder = std::env::temp_dir().join(format!("pgsluice-dial-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join(".s.PGSQL.5433");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let host = format!("{}/", folder.display());
        let (dialed, accepted) =
            (dial(&target(&host, 5433)).await.unwrap(), listener.accept().await.unwrap());
        let (mut stream, mut peer) = (dialed.stream, accepted.0);
        assert!(stream.is_unix() && dialed.round_trip.is_none());
        peer.write_all(b"x").await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), b'x');
        stream.write_all(b"y").await.unwrap();
        stream.flush().await.unwrap();
        stream.shutdown().await.unwrap();
        let mut got = Vec::new();
        peer.read_to_end(&mut got).await.unwrap();
        assert_eq!(got, b"y");
        std::fs::remove_dir_all(&folder).unwrap();
        let error = dial(&target(&host, 5433)).await.unwrap_err();
        assert!(error.to_string().ends_with("/.s.PGSQL.5433"), "{error}");
    });
}
