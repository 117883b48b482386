-- Who merged with whom is asked of the whole log; these records are few.
CREATE INDEX merge ON record (offset) WHERE kind IN ('merge_in', 'unmerge');
