//! Pages of another origin than the service's.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::thread;

/// A server of empty pages, on a port of its own. It has two names, as everybody on a machine does.
pub struct Stranger {
    port: u16,
}

impl Stranger {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // It ends with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                // A request for a page is a head and nothing more.
                let head = BufReader::new(&stream).lines().map_while(Result::ok);
                head.take_while(|line| !line.is_empty()).for_each(drop);
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\nConnection: close\r\n\r\n";
                stream.write_all(format!("{head}<!doctype html>").as_bytes()).ok();
            }
        });
        Self { port }
    }

    /// Of the same host as the page, and so of the same site.
    pub fn same_site(&self) -> String {
        format!("http://localhost:{}", self.port)
    }

    pub fn cross_site(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
