-- Pairs of profiles whose merge was undone: sharing an identifier does not merge them again.
CREATE TABLE apart (
    loser_id INTEGER NOT NULL,
    winner_id INTEGER NOT NULL,
    PRIMARY KEY (loser_id, winner_id)
) WITHOUT ROWID;
