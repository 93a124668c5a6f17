//! A machine whose keys somebody else holds puts entries on the wire that it may not write. None may ever be applied
//! anywhere; then the machine is replaced, as people would.

use fengqiao_hub::entry::{Draft, Entry, Move};
use fengqiao_hub::id::{ChainId, DeploymentId, NodeId};
use fengqiao_hub::payload::Part;
use fengqiao_hub::rank::Rank;
use fengqiao_node::engine::chains::Chain;
use fengqiao_node::engine::{Input, Me};
use fengqiao_node::replication::session::Lanes;
use fengqiao_proto::v1 as pb;
use prost::Message as _;

use super::agenda::MachineId;
use super::tally::Family;
use super::{Broken, Simulator};

impl Simulator {
    /// A machine lies to its neighbours, and is lost.
    pub(super) fn lie(&mut self, liar: MachineId, name: &'static str) -> Result<(), Broken> {
        let Some(teller) = self.teller_of(liar, &[liar]).filter(|_| liar > 0) else {
            return Ok(());
        };
        let chain = self
            .people
            .cases
            .iter()
            .rev()
            .filter_map(|case| self.chain(liar, *case))
            .find(|chain| chain.tree.awaited_below() == 0 && !chain.tree.is_empty());
        let Some(chain) = chain.filter(|_| self.may_lose(&[liar])) else {
            return Ok(());
        };
        self.tally.count(Family::Fault, name);
        let me = self.machines[liar].me.clone();
        self.ledger.liars.insert(me.at.node);
        for victim in 0..self.machines.len() {
            let is_below = self.parent_of(victim).map(|(upper, _)| upper) == Some(liar);
            if victim != teller && !is_below {
                continue;
            }
            let forged = self.forgeries(&me, victim, &chain);
            self.machines[victim].disk.take_fuse();
            let Some(running) = &self.machines[victim].running else {
                continue;
            };
            let lane = pb::Lane::Cases;
            let received = Lanes::received(&running.lanes(me.at.node), lane);
            let items: Vec<pb::Item> = (received.sequence + 1..)
                .zip(forged)
                .map(|(sequence, payload)| pb::Item {
                    sequence,
                    kind: pb::ItemKind::Entry.into(),
                    payload,
                    ..Default::default()
                })
                .collect();
            for item in &items {
                self.ledger.forge(&item.payload);
            }
            self.tally
                .count_many(Family::Property, "S12 forged entries", items.len() as u64);
            let input = Input::Items {
                link: me.at.node,
                from: (me.store, me.incarnation),
                lane,
                items,
            };
            let outputs = self.process(victim, vec![input])?;
            self.go_out_all(victim, outputs)?;
        }
        let backup = self.backups.get(&liar).cloned();
        self.go_missing(liar, backup.as_ref())?;
        self.come_back(liar, teller, backup)
    }

    /// Entries that a node may not write, after the head of a case.
    fn forgeries(&self, me: &Me, victim: MachineId, chain: &Chain) -> Vec<Vec<u8>> {
        let (Some(head), Some(custody)) = (chain.tree.head(), chain.tree.custody()) else {
            return Vec::new();
        };
        let Some((genuine, _)) = chain.entries.get(&head.hash) else {
            return Vec::new();
        };
        let other = self.machines[victim].me.at;
        let draft = || Draft {
            deployment: me.deployment,
            kind: pb::ChainKind::Case,
            chain: genuine.chain,
            rank: head.rank.clone(),
            sequence: head.sequence + 1,
            previous: Some(head.hash),
            author: me.at.node,
            incarnation: me.incarnation,
            author_sequence: 1_000_000,
            registry: Vec::new(),
            mv: Move::None,
            submission: None,
            kind_class: pb::KindClass::Work,
            body: pb::Body {
                schema: 1,
                wall_time_ms: self.agenda.now_ms(),
                content: Some(pb::body::Content::from(pb::Supplement::default())),
                ..Default::default()
            },
            payloads: Vec::new(),
        };
        let signed = |draft: Draft| draft.sign(&me.signing_key).bytes();
        let mut forged = vec![
            vec![0x5a; 40],
            altered(genuine, |signed| flip_last(&mut signed.body)),
            altered(genuine, |signed| flip_last(&mut signed.signature)),
            // In the name of the receiver.
            signed(Draft {
                author: other.node,
                ..draft()
            }),
            signed(Draft {
                deployment: DeploymentId([7; 10]),
                ..draft()
            }),
            // A rank that nobody took.
            signed(Draft {
                rank: raised(&head.rank),
                ..draft()
            }),
            signed(self.usurped(me, other.place, &draft())),
        ];
        // Before a text of a part has proven the part's salt, nobody can tell an altered one from another.
        let part = genuine
            .signed
            .payloads
            .first()
            .and_then(|sealed| Part::of(sealed));
        let knows = part.is_some_and(|part| self.has_proven(victim, genuine.chain, part));
        if knows && !genuine.signed.payloads.is_empty() {
            forged.push(altered(genuine, |signed| {
                flip_last(&mut signed.payloads[0])
            }));
        }
        if custody.custodian != me.at.place {
            forged.push(signed(draft()));
        }
        // Above a gap a taking from what stands below its author is taken at its word until the entries below it come.
        let is_judged = self
            .chain(victim, genuine.chain)
            .is_some_and(|known| known.tree.contains(&head.hash));
        // One that names no move may have been written before any: whoever stood above then might take.
        let (place, custodian) = (me.at.place, custody.custodian);
        let stood_above = self.ledger.is_above_knowing(place, custodian, &[]);
        if is_judged && !stood_above && !self.ledger.is_above(place, custodian) {
            let level = self.ledger.level_of(me.at.node);
            forged.extend(head.rank.raised(level, me.generation).map(|rank| {
                signed(Draft {
                    mv: Move::Taken(None),
                    rank,
                    ..draft()
                })
            }));
        }
        forged
    }

    /// Whether a machine holds the key of a part of a case, and a text of that part by which its salt was proven.
    fn has_proven(&self, machine: MachineId, chain: ChainId, part: Part) -> bool {
        let running = self.machines[machine].running.as_ref();
        let holds_key = running.is_some_and(|running| running.vault.key(chain, part).is_some());
        let known = self.chain(machine, chain);
        holds_key
            && known.is_some_and(|known| {
                let mut entries = known.entries.values();
                entries.any(|(entry, _)| entry.payloads_of(part).next().is_some())
            })
    }

    /// Itself enrolled once more, in the registry of another place.
    fn usurped(&self, me: &Me, place: fengqiao_hub::id::PlaceId, draft: &Draft) -> Draft {
        let registration = pb::NodeEnrolled {
            node: NodeId([0x66; 10]).to_vec(),
            ..self.founding.registration(me)
        };
        let mut usurped = draft.clone();
        usurped.kind = pb::ChainKind::Registry;
        usurped.chain = ChainId::of_place(place);
        usurped.rank = Rank::default();
        usurped.body.content = Some(pb::body::Content::from(registration));
        usurped
    }
}

fn altered(genuine: &Entry, alter: impl FnOnce(&mut pb::SignedEntry)) -> Vec<u8> {
    let mut signed = genuine.signed.clone();
    alter(&mut signed);
    signed.encode_to_vec()
}

fn flip_last(bytes: &mut [u8]) {
    if let Some(last) = bytes.last_mut() {
        *last ^= 1;
    }
}

fn raised(rank: &Rank) -> Rank {
    rank.raised(20, 9).unwrap_or_default()
}
