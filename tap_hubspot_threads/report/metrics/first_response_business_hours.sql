-- First response within business hours
-- As first_response_by_inbox.sql, but only minutes within business hours count. A question
-- outside of them waits from the next opening on. An answer outside of them counts as of the last
-- closing, so a wait can be 0. Holidays are not known.
WITH hours (weekday, opens, closes) AS (
    -- 1 is Monday, and every day has a row. 9.5 is 09:30. A day of equal hours is closed.
    VALUES
        (1, 9, 17),
        (2, 9, 17),
        (3, 9, 17),
        (4, 9, 17),
        (5, 9, 17),
        (6, 0, 0),
        (7, 0, 0)
),
place (zone) AS (
    -- The time zone of these hours.
    VALUES ('UTC')
),
questions AS (
    -- The contact's first message in each thread.
    SELECT
        threads.id AS thread,
        threads."inboxId" AS inbox_id,
        MIN(messages."createdAt") AS asked
    FROM threads
    JOIN messages ON messages."conversationsThreadId" = threads.id
    WHERE threads.archived IS NOT TRUE
        AND threads.spam IS NOT TRUE
        AND messages.type = 'MESSAGE'
        AND messages.direction = 'INCOMING'
        AND LEFT(COALESCE(messages."createdBy", ''), 2) NOT IN ('A-', 'B-', 'L-')
    GROUP BY threads.id, threads."inboxId"
),
responses AS (
    -- The first answer of a person after that, or null.
    SELECT
        questions.thread,
        questions.inbox_id,
        questions.asked,
        MIN(answers."createdAt") AS answered
    FROM questions
    LEFT JOIN messages AS answers
        ON answers."conversationsThreadId" = questions.thread
        AND answers.type = 'MESSAGE'
        AND answers.direction = 'OUTGOING'
        AND answers."createdBy" LIKE 'A-%'
        AND answers."createdAt" > questions.asked
    GROUP BY questions.thread, questions.inbox_id, questions.asked
),
moments AS (
    SELECT
        responses.thread,
        responses.inbox_id,
        edges.edge,
        -- The epoch is the same with and without a time zone, and in every session.
        TO_TIMESTAMP(
            EXTRACT(
                EPOCH FROM
                CASE edges.edge WHEN 'asked' THEN responses.asked ELSE responses.answered END
            )
        ) AT TIME ZONE place.zone AS moment
    FROM responses
    CROSS JOIN (VALUES ('asked'), ('answered')) AS edges (edge)
    CROSS JOIN place
),
calendar AS (
    -- The business minutes of a day, of the days before it, and of a whole week.
    SELECT
        weekday,
        opens * 60 AS opens,
        (closes - opens) * 60 AS minutes,
        SUM((closes - opens) * 60) OVER (ORDER BY weekday) - (closes - opens) * 60 AS earlier,
        SUM((closes - opens) * 60) OVER () AS per_week
    FROM hours
),
positions AS (
    -- The business minutes from a Monday in 1970 to each moment.
    SELECT
        moments.thread,
        moments.inbox_id,
        moments.edge,
        (CAST(DATE_TRUNC('week', moments.moment) AS DATE) - DATE '1970-01-05') / 7
            * calendar.per_week
        + calendar.earlier
        + LEAST(
            GREATEST(
                EXTRACT(EPOCH FROM moments.moment - DATE_TRUNC('day', moments.moment)) / 60
                - calendar.opens,
                0
            ),
            calendar.minutes
        ) AS business_minutes
    FROM moments
    JOIN calendar ON calendar.weekday = EXTRACT(ISODOW FROM moments.moment)
),
spans AS (
    SELECT
        inbox_id,
        MAX(CASE edge WHEN 'asked' THEN business_minutes END) AS asked,
        MAX(CASE edge WHEN 'answered' THEN business_minutes END) AS answered
    FROM positions
    GROUP BY thread, inbox_id
),
waits AS (
    -- In the hour that clocks show twice, an answer can seem earlier than the question.
    SELECT inbox_id, CASE WHEN answered < asked THEN 0 ELSE answered - asked END AS minutes
    FROM spans
)
SELECT
    COALESCE(inboxes.name, waits.inbox_id, 'unknown') AS inbox,
    COUNT(*) AS threads,
    COUNT(*) - COUNT(waits.minutes) AS unanswered,
    PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY waits.minutes) AS median_minutes,
    PERCENTILE_CONT(0.9) WITHIN GROUP (ORDER BY waits.minutes) AS p90_minutes
FROM waits
LEFT JOIN inboxes ON inboxes.id = waits.inbox_id
GROUP BY waits.inbox_id, inboxes.name
ORDER BY inbox, waits.inbox_id;
