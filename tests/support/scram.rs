//! The server's side of SCRAM-SHA-256.

use super::sha256::{base64, from_base64, hmac, sha256};

/// What a server knows of one user and one exchange.
pub(crate) struct ScramServer {
    salted: [u8; 32],
    first: String,
    client_first_bare: String,
}

impl ScramServer {
    /// Answers a client-first-message; [`ScramServer::first`] is the reply.
    pub(crate) fn new(password: &str, client_first: &str, iterations: u32) -> Self {
        Self::bound(password, client_first, iterations, "n,,")
    }

    /// The same for a client whose message begins with this header of channel binding.
    pub(crate) fn bound(password: &str, client_first: &str, iterations: u32, header: &str) -> Self {
        let bare = client_first.strip_prefix(header).expect("the header of channel binding");
        let nonce = bare.strip_prefix("n=,r=").expect("an empty user name and a nonce");
        let salt = b"0123456789abcdef";
        let first = format!("r={nonce}server,s={},i={iterations}", base64(salt));
        Self::with_first(password, bare, first, salt, iterations)
    }

    pub(crate) fn with_first(
        password: &str,
        bare: &str,
        first: String,
        salt: &[u8],
        iterations: u32,
    ) -> Self {
        let mut block = salt.to_vec();
        block.extend(1u32.to_be_bytes());
        let mut u = hmac(password.as_bytes(), &block);
        let mut salted = u;
        for _ in 1..iterations {
            u = hmac(password.as_bytes(), &u);
            salted.iter_mut().zip(u).for_each(|(sum, byte)| *sum ^= byte);
        }
        Self { salted, first, client_first_bare: bare.to_owned() }
    }

    pub(crate) fn first(&self) -> &str {
        &self.first
    }

    /// Checks the client's proof and returns the server-final-message.
    pub(crate) fn finish(&self, client_final: &str) -> Result<String, &'static str> {
        let (without_proof, proof) = client_final.rsplit_once(",p=").ok_or("no proof")?;
        let auth_message = format!("{},{},{without_proof}", self.client_first_bare, self.first);
        let client_key = hmac(&self.salted, b"Client Key");
        let signature = hmac(&sha256(&client_key), auth_message.as_bytes());
        let sent: Vec<u8> = from_base64(proof).iter().zip(signature).map(|(p, s)| p ^ s).collect();
        if sent != client_key {
            return Err("the client does not know the password");
        }
        let server_key = hmac(&self.salted, b"Server Key");
        Ok(format!("v={}", base64(&hmac(&server_key, auth_message.as_bytes()))))
    }
}

/// The captured login of a real server comes out of this one as well.
#[test]
fn same_as_captured() {
    let backend = include_bytes!("../data/wire/auth-scram.backend.bin");
    let text = |from: &[u8], length: usize| {
        let at = backend.windows(from.len()).position(|w| w == from).unwrap();
        String::from_utf8(backend[at..at + length].to_vec()).unwrap()
    };
    let first = text(b"r=rOprNGfwEbeRWgbNEkqO", 80);
    let salt = first.split(',').nth(1).unwrap().strip_prefix("s=").unwrap();
    let client_final = "c=biws,r=rOprNGfwEbeRWgbNEkqO+BXWuJioTxWaStbUGPLQrUdx,\
                        p=lOLXJhGLJn5p8A/AiJT9ic6csA7LTA9XQHgupLg8kF0=";
    let bare = "n=,r=rOprNGfwEbeRWgbNEkqO";
    let server = ScramServer::with_first("pencil é", bare, first.clone(), &from_base64(salt), 4096);
    assert_eq!(server.finish(client_final).unwrap(), "v=kAB733Ekiqh7xFtwyOw9KGngB7Qqf4B/G70fhrgiKAI=");
}
