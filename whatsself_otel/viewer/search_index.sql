-- Three letters each, so that any part of a word is found; of each line only that it has them: the line itself says
-- whether they stand together.

CREATE VIRTUAL TABLE IF NOT EXISTS log_search USING fts5(
    text, content='logs', content_rowid='id', tokenize='trigram case_sensitive 1', detail='none', columnsize=0
);

CREATE TRIGGER IF NOT EXISTS log_search_added AFTER INSERT ON logs BEGIN
    INSERT INTO log_search (rowid, text) VALUES (new.id, new.text);
END;

CREATE TRIGGER IF NOT EXISTS log_search_gone AFTER DELETE ON logs BEGIN
    INSERT INTO log_search (log_search, rowid, text) VALUES ('delete', old.id, old.text);
END;
