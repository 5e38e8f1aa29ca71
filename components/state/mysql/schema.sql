-- The tables of the components in this folder, for MariaDB or MySQL. `make infra` loads them. Load them before the first
-- start: the tables that Dapr creates by itself do not tell keys apart that differ in case or in spaces at the end.
CREATE TABLE IF NOT EXISTS state (
  id VARBINARY(767) NOT NULL PRIMARY KEY, -- compared byte by byte
  value LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, -- MySQL's type JSON would sort the members
  isbinary BOOLEAN NOT NULL,
  insertDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  updateDate TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  eTag VARCHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expiredate TIMESTAMP NULL,
  row_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  INDEX expiredate_idx (expiredate),
  UNIQUE KEY row_id_uidx (row_id)
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS workflow LIKE state;
CREATE TABLE IF NOT EXISTS state_metadata (id VARCHAR(255) NOT NULL PRIMARY KEY, value TEXT NOT NULL) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS workflow_metadata LIKE state_metadata;
-- A key whose row has expired cannot be created again until the row is removed. Turn the event scheduler on, and name
-- your user in the place of haberdash.
CREATE DEFINER = haberdash EVENT IF NOT EXISTS remove_expired ON SCHEDULE EVERY 1 SECOND DO
  DELETE FROM state WHERE expiredate <= CURRENT_TIMESTAMP;
