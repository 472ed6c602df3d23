-- Messages by weekday and hour
-- Messages that came from contacts (`received`) and that went to them (`sent`), by weekday (1 is
-- Monday) and hour. Messages of bots and applications are sent, too; welcome messages, comments,
-- and INCOMING mail of a colleague (A-) are neither. Threads that are archived, spam or not in
-- `threads` are left out.
WITH place (zone) AS (
    -- The time zone of weekdays and hours.
    VALUES ('UTC')
),
weekdays (weekday) AS (
    VALUES (1), (2), (3), (4), (5), (6), (7)
),
hours (hour) AS (
    VALUES
        (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11),
        (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)
),
said AS (
    SELECT
        CASE messages.direction WHEN 'OUTGOING' THEN 1 ELSE 0 END AS is_sent,
        -- The epoch is the same with and without a time zone, and in every session.
        TO_TIMESTAMP(EXTRACT(EPOCH FROM messages."createdAt")) AT TIME ZONE place.zone AS moment
    FROM messages
    JOIN threads ON threads.id = messages."conversationsThreadId"
    CROSS JOIN place
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND (
            messages.direction = 'OUTGOING'
            OR messages.direction = 'INCOMING'
            AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
        )
)
SELECT
    weekdays.weekday,
    hours.hour,
    COUNT(said.moment) - COALESCE(SUM(said.is_sent), 0) AS received,
    COALESCE(SUM(said.is_sent), 0) AS sent
FROM weekdays
CROSS JOIN hours
LEFT JOIN said
    ON EXTRACT(ISODOW FROM said.moment) = weekdays.weekday
    AND EXTRACT(HOUR FROM said.moment) = hours.hour
GROUP BY weekdays.weekday, hours.hour
ORDER BY weekdays.weekday, hours.hour;
