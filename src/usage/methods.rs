//! The list of all tracked methods: entry points, deciders, query builders, ways of writing. No getters, nothing per row.
//!
//! A line makes a method's counters and its place in [`METHODS`]. A mark without a line does not compile; a line that is not
//! marked exactly once in `src/` fails `tests/it/methods.rs`. ARCHITECTURE.md maps the names of the original loader to these.

use super::Method;

macro_rules! registry {
    ($($name:ident = $id:literal, $purpose:literal;)*) => {
        $(
            #[doc = concat!("`", $id, "`: ", $purpose, ".")]
            pub static $name: Method = Method::new($id, $purpose);
        )*

        /// Every registered method.
        pub static METHODS: &[&Method] = &[$(&$name),*];
    };
}

registry! {
    // --- a run and its plan
    SYNC = "Run.sync", "a run, from the lock to the report";
    REPLICATE = "Run.replicate", "the first hop, into the replica";
    PLAN = "Planning.plan", "what every table needs, from both catalogs";
    CHOOSE_STRATEGY = "Strategy.choose", "the strategy of a table, and why";
    CUT = "Boundaries.ranges", "where a table is cut into chunks";
    CHOOSE_COLUMNS = "Increments.choose", "which incremental columns can be used";
    WATERMARK_FROM = "Watermark.from", "whether the stored watermark fits, and where to read from";
    CONDITION = "Watermark.condition", "the condition for rows past the watermark";
    DRIFT = "Drift.decide", "what changed about a table's columns, and what follows";
    TRACES = "Traces.look", "what both servers show of writes";
    STANDS = "Traces.stands", "whether a table moved since it was loaded";

    // --- reading
    SNAPSHOT = "Snapshot.open", "one snapshot for all workers";
    SELECT = "MysqlSource.select", "the statement that reads a slice of a table";
    READ = "MysqlSource.read", "rows of a slice, streamed";
    COUNT_SOURCE = "MysqlSource.count", "rows of a whole table at the source";
    COUNT_BUCKETS = "MysqlSource.counts", "rows per key range at the source";

    // --- loading
    TABLE_LOAD = "TableWork.load", "a table in a round, from its first job to its end";
    COPY_WHOLE = "Chunk.copy_whole", "a table in one transaction";
    COPY_CHUNK = "Chunk.copy_chunk", "a chunk of a table with several";
    KEEP_CHUNK = "Chunk.keep", "a chunk that an interrupted run left, when it still fits";
    MERGE_PART = "Chunk.merge", "rows past the watermark, or of differing ranges";
    FINISH = "Chunk.finish", "the end of a table with several chunks";
    CONFIRM = "Chunk.confirm", "the end of a table that is as its source already";
    INCREMENTS = "Increments.load", "a table by its increments, counted afterwards";

    // --- comparing and mending
    FALLBACK = "Increments.announce", "both sides differ after the increments: more is read";
    LOOK = "Looks.look", "buckets of both sides, by content";
    DECIDE = "Looks.decide", "what is done about what was seen";
    MEND = "Looks.mend", "differing buckets, read again and merged";
    HEALED = "TableWork.healed", "a table that differed and was mended";
    CHECK_PROOF = "Proof.check", "counts of both sides before a commit";
    CHECK_LEDGER = "PostgresSink.check_ledger", "chunks of the ledger against the plan";

    // --- writing
    TAKE_OVER = "Leftovers.take_over", "staging of an interrupted run";
    COPY_IN = "Copy.copy_in", "COPY of rows";
    ISOLATE = "Copy.isolate", "rows that PostgreSQL refuses, found by halving";
    SAME = "Same.as_target", "a small table against the target's own image";
    INSTALL = "Finish.install", "a new table under its name";
    EXCHANGE = "Exchange.install", "a new table in the place of the old one";
    MERGE = "Merge.install", "all rows of a table, merged by content";
    MERGE_ADD = "Merge.add", "a part of a table, merged by key";
    COMMIT = "PostgresSink.commit", "a table's state row, together with its data";
    FILL_REPLICA = "MysqlSink.fill", "rows into a replica's table";
    MERGE_REPLICA = "MysqlMerge.add", "rows merged into a replica's table";
    STATUS = "Tracker.send", "an event for the status tables";
    LOG = "Tracker.log", "an entry for the run log";
    STATUS_WRITE = "StatusTable.write", "a batch of events, written";
    DEFINITIONS = "Definitions.build", "indexes, foreign keys, defaults and sequences";

    // --- other commands
    VERIFY = "Verify.verify", "whether both sides hold the same rows";
    WHY = "Why.why", "one row on both sides";
    DISCOVER = "Discover.discover", "incremental columns of the live source";
    CHECK = "Check.check", "connections, privileges and limits";
    CHECK_DATA = "CheckData.check", "values that a run would not take as they are";
    DDL = "Ddl.ddl", "the target's DDL";
}
