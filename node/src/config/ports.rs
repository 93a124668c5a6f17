//! Refuses addresses at which the process could not listen, before it starts anything.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::Config;
use super::error::{Code, ConfigError, Place, Problem};

impl Config {
    /// Every listener: its key and its address.
    #[must_use]
    pub fn listeners(&self) -> [(&'static str, SocketAddr); 6] {
        [
            ("link.listen", self.link.listen),
            ("enrol.listen", self.enrol.listen),
            ("desk.listen", self.desk.listen),
            ("pages.listen", self.pages.listen),
            ("pages.redirect", self.pages.redirect),
            ("operations.listen", self.operations.listen),
        ]
    }

    /// Refuses two listeners of this configuration at one address. Port 0 takes any free port and
    /// is never the same twice.
    ///
    /// # Errors
    /// [`Code::PortTwice`], naming both keys.
    pub fn check_ports_differ(&self) -> Result<(), ConfigError> {
        let listeners = self.listeners();
        let mut problems = Vec::new();
        for (index, (key, address)) in listeners.iter().enumerate() {
            for (earlier, other) in &listeners[..index] {
                if overlap(*address, *other) {
                    problems.push(Problem {
                        code: Code::PortTwice,
                        place: self.place(key),
                        english: format!("{key} = {address} takes the port of {earlier} = {other}"),
                        chinese: format!("{key} = {address} 与 {earlier} = {other} 端口重复"),
                    });
                }
            }
        }
        ConfigError::from_problems(problems).map_or(Ok(()), Err)
    }

    /// Tries each address once and lets go again. Somebody may still take it before the process
    /// does: then listening fails as it always can.
    ///
    /// # Errors
    /// [`Code::PortInUse`], [`Code::AddressUnavailable`], naming the key.
    pub fn check_ports_free(&self) -> Result<(), ConfigError> {
        let problems = self
            .listeners()
            .into_iter()
            .filter_map(|(key, address)| {
                let error = TcpListener::bind(address).err()?;
                Some(unavailable(key, address, self.place(key), &error))
            })
            .collect();
        ConfigError::from_problems(problems).map_or(Ok(()), Err)
    }
}

fn unavailable(key: &str, address: SocketAddr, place: Place, error: &std::io::Error) -> Problem {
    if error.kind() == ErrorKind::AddrInUse {
        return Problem {
            code: Code::PortInUse,
            place,
            english: format!(
                "{key}: another program listens at {address}; stop it or change {key}"
            ),
            chinese: format!("{key}：{address} 已被其他程序占用，请停止该程序或修改 {key}"),
        };
    }
    Problem {
        code: Code::AddressUnavailable,
        place,
        english: format!("{key}: cannot listen at {address}: {error}"),
        chinese: format!("{key}：无法监听 {address}：{error}"),
    }
}

/// Whether two listeners would meet: an address of all interfaces meets every other.
fn overlap(left: SocketAddr, right: SocketAddr) -> bool {
    left.port() != 0
        && left.port() == right.port()
        && (left.ip() == right.ip() || left.ip().is_unspecified() || right.ip().is_unspecified())
}
