//! A peer that speaks the link's words by hand, with a certificate that is sound: what a stolen machine could do.

use std::sync::Arc;

use fengqiao_hub::entry::Entry;
use fengqiao_hub::id::NodeId;
use fengqiao_hub::jurisdiction::Registry;
use fengqiao_node::enrolment::RegistryRegistrar;
use fengqiao_node::folder::Folder;
use fengqiao_node::node::clock::Clock;
use fengqiao_node::trust::tls::{Presented, Trust};
use fengqiao_proto::v1 as pb;
use hyper_util::rt::TokioIo;
use pb::frame::Content;
use pb::link_service_client::LinkServiceClient;
use prost::Message as _;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;

use super::process::Node;

/// A session opened by hand from the folder of a node that was enrolled and never ran.
#[derive(Debug)]
pub struct Intruder {
    /// The folder: keys and identity.
    pub folder: Folder,
    /// What the folder knows of places and nodes.
    pub registry: Registry,
    outgoing: mpsc::Sender<pb::ExchangeRequest>,
    incoming: tonic::Streaming<pb::ExchangeResponse>,
    session: Vec<u8>,
    sequence: u64,
}

impl Intruder {
    /// Dials the parent of a node's folder.
    pub async fn dial(node: &Node) -> Self {
        node.set_clock();
        let folder = Folder::open(&node.data).unwrap();
        let mut registry = Registry::default();
        for signed in folder.first_entries().unwrap() {
            let entry = Entry::from_signed(&signed).unwrap();
            if entry.kind == pb::ChainKind::Registry {
                registry.apply(&entry).unwrap();
            }
        }
        let registrar = Arc::new(RegistryRegistrar::new(Arc::new(registry.clone())));
        let clock = Arc::new(Clock::of_file(node.clock_file().to_owned()));
        let trust = Trust::new(&folder.root.certificate, registrar, clock).unwrap();
        let presented = Arc::new(Presented::new(&folder.credentials));
        let connector = TlsConnector::from(Arc::new(trust.client_config(&presented).unwrap()));
        let parent = folder.identity.parent.clone().unwrap();
        let name = ServerName::try_from(parent.name.to_string()).unwrap();
        let connect = tower::service_fn(move |_: tonic::codegen::http::Uri| {
            let (connector, address, name) =
                (connector.clone(), parent.link_address.clone(), name.clone());
            async move {
                let tcp = TcpStream::connect(address).await?;
                connector.connect(name, tcp).await.map(TokioIo::new)
            }
        });
        let channel = Endpoint::from_static("http://link.fq.internal")
            .connect_with_connector(connect)
            .await
            .unwrap();
        let (outgoing, frames) = mpsc::channel(8);
        let incoming = LinkServiceClient::new(channel)
            .exchange(ReceiverStream::new(frames))
            .await
            .unwrap();
        let mut intruder = Self {
            folder,
            registry,
            outgoing,
            incoming: incoming.into_inner(),
            session: Vec::new(),
            sequence: 0,
        };
        intruder.greet(node).await;
        intruder
    }

    async fn greet(&mut self, node: &Node) {
        let identity = &self.folder.identity;
        let hello = pb::Hello {
            version_min: 1,
            version_max: 1,
            node: identity.node.to_vec(),
            store: identity.store.to_vec(),
            incarnation: identity.incarnation,
            boot: 1,
            wall_time_ms: node.now().0,
            ..Default::default()
        };
        self.say(Content::Hello(hello)).await;
        loop {
            let frame = self.hear().await;
            if let Some(Content::Hello(_)) = frame.content {
                self.session = frame.session;
                return;
            }
        }
    }

    async fn say(&self, content: Content) {
        let frame = pb::Frame {
            session: self.session.clone(),
            content: Some(content),
        };
        self.outgoing
            .send(pb::ExchangeRequest { frame: Some(frame) })
            .await
            .unwrap();
    }

    async fn hear(&mut self) -> pb::Frame {
        self.incoming
            .message()
            .await
            .unwrap()
            .unwrap()
            .frame
            .unwrap()
    }

    /// Sends an item of the cases lane and waits until it is stored: a lane that stands still ends here.
    pub async fn send(&mut self, payload: Vec<u8>) {
        self.sequence += 1;
        let item = pb::Item {
            sequence: self.sequence,
            kind: pb::ItemKind::Entry.into(),
            payload,
            secrets: Vec::new(),
        };
        let items = pb::Items {
            lane: pb::Lane::Cases.into(),
            items: vec![item],
        };
        self.say(Content::Items(items)).await;
        loop {
            let frame = self.hear().await;
            assert!(
                !matches!(frame.content, Some(Content::Goodbye(_))),
                "{frame:?}"
            );
            if let Some(Content::Acknowledged(word)) = frame.content {
                let cursor = word.cursor.unwrap();
                if cursor.lane() == pb::Lane::Cases && cursor.sequence >= self.sequence {
                    return;
                }
            }
        }
    }

    /// Sends an entry.
    pub async fn send_entry(&mut self, entry: &Entry) {
        self.send(entry.signed.encode_to_vec()).await;
    }

    /// The node it speaks for.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.folder.identity.node
    }
}
