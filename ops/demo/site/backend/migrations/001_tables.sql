CREATE TABLE products (
    id INT AUTO_INCREMENT PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    cents INT NOT NULL
);
CREATE TABLE heartbeats (
    id BIGINT AUTO_INCREMENT PRIMARY KEY,
    pid INT NOT NULL,
    release_id VARCHAR(60) NOT NULL,
    at DOUBLE NOT NULL
);
INSERT INTO products (name, cents) VALUES ('mug', 1290), ('poster', 1900), ('shirt', 2450);
